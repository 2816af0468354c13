using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Mitos.Server.Storage.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class Leases : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "leases",
                columns: table => new
                {
                    Id = table.Column<string>(type: "TEXT", nullable: false),
                    Template = table.Column<string>(type: "TEXT", nullable: false),
                    StartedAtMs = table.Column<long>(type: "INTEGER", nullable: false),
                    EndAtMs = table.Column<long>(type: "INTEGER", nullable: false),
                    AutoPause = table.Column<bool>(type: "INTEGER", nullable: false),
                    AutoPauseMemory = table.Column<bool>(type: "INTEGER", nullable: false),
                    AutoResume = table.Column<bool>(type: "INTEGER", nullable: false),
                    TrafficToken = table.Column<string>(type: "TEXT", nullable: true),
                    AllowInternet = table.Column<bool>(type: "INTEGER", nullable: true),
                    Network = table.Column<string>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_leases", x => x.Id);
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "leases");
        }
    }
}
