/* A stand-in for NVIDIA's management library: one card of 4 GiB, 3 GiB free, which process 1 holds. */
#include <string.h>

typedef struct { unsigned long long total, free, used; } memory;

int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)1; return 0; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) { strncpy(name, "Stand-in", length); return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) { strncpy(version, "550.54.14", length); return 0; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 12040; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { *major = 7; *minor = 5; return 0; }
int nvmlDeviceGetMemoryInfo(void *device, memory *info) {
    info->total = 4ULL << 30; info->free = 3ULL << 30; info->used = 1ULL << 30;
    return 0;
}

typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } process;

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, process *found) {
    if (*count < 1) { *count = 1; return 7; } /* too small */
    *count = 1;
    found[0].pid = 1; found[0].used = 1ULL << 30; found[0].instance = found[0].compute = 0;
    return 0;
}
