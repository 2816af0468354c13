// virtio-vsock with one listening port: the channel under Firecracker.
#pragma once
#include "channel.h"

enum { VSOCK_PORT = 1024 };

bool vsock_open(uintptr_t base);

// Connections taken, and times that the device told of a transport reset (Firecracker: each snapshot).
extern uint64_t vsock_connects, vsock_resets;
extern uint64_t vsock_cid; // 0: there is no device
extern struct channel vsock;
