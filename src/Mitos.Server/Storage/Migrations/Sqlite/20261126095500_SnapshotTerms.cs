using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Mitos.Server.Storage.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class SnapshotTerms : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<bool>(
                name: "AllowInternet",
                table: "snapshots",
                type: "INTEGER",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "AutoPause",
                table: "snapshots",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<bool>(
                name: "AutoPauseMemory",
                table: "snapshots",
                type: "INTEGER",
                nullable: false,
                defaultValue: true);

            migrationBuilder.AddColumn<bool>(
                name: "AutoResume",
                table: "snapshots",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<bool>(
                name: "IsGuarded",
                table: "snapshots",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "Network",
                table: "snapshots",
                type: "TEXT",
                nullable: true);

            // Those of sandboxes that are still there have what these have now.
            migrationBuilder.Sql("""
                UPDATE snapshots SET ("AllowInternet", "AutoPause", "AutoPauseMemory", "AutoResume", "IsGuarded", "Network") =
                    (SELECT l."AllowInternet", l."AutoPause", l."AutoPauseMemory", l."AutoResume", l."TrafficToken" IS NOT NULL, l."Network" FROM leases l WHERE l."Id" = snapshots."SandboxId")
                WHERE EXISTS (SELECT 1 FROM leases l WHERE l."Id" = snapshots."SandboxId")
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "AllowInternet",
                table: "snapshots");

            migrationBuilder.DropColumn(
                name: "AutoPause",
                table: "snapshots");

            migrationBuilder.DropColumn(
                name: "AutoPauseMemory",
                table: "snapshots");

            migrationBuilder.DropColumn(
                name: "AutoResume",
                table: "snapshots");

            migrationBuilder.DropColumn(
                name: "IsGuarded",
                table: "snapshots");

            migrationBuilder.DropColumn(
                name: "Network",
                table: "snapshots");
        }
    }
}
