// One command each: reads its fields, writes its answer, or refuses. A field that is missing reads as zero and fails the command
// afterwards, so all check that before they act.
#pragma once
#include "block.h"
#include "wire.h"

// As in AgentErrorCode.cs; DONE means answered.
enum code { DONE = 0, INVALID_ARGUMENT = 1, NOT_FOUND = 2, FAILED_PRECONDITION = 3, INTERNAL = 7, UNSUPPORTED = 8 };

// Sets the words of the refusal, and returns its code.
enum code refuse(enum code code, const char *text);

enum code fill(struct wire_reader *in, struct wire_writer *out);
enum code dirty(struct wire_reader *in, struct wire_writer *out);
enum code checksum(struct wire_reader *in, struct wire_writer *out);
enum code start_invariant(struct wire_reader *in, struct wire_writer *out);
enum code stop_invariant(struct wire_reader *in, struct wire_writer *out);
enum code report_invariant(struct wire_reader *in, struct wire_writer *out);
enum code use_disk(struct wire_reader *in, struct wire_writer *out, enum block_operation operation);
