/* A driver, cuBLAS and NVRTC that pretend: memory is the host's, and kernels do nothing. What they answer is set by variables of the
   environment. */
#include <stdlib.h>
#include <string.h>

static long asked(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

typedef size_t address;

int cuInit(unsigned flags) { return asked("FAKE_INIT", 0); }
int cuDriverGetVersion(int *version) { return *version = asked("FAKE_DRIVER", 13000), 0; }
int cuDeviceGetCount(int *count) { return *count = asked("FAKE_COUNT", 1), 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = 0, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return *value = 0, 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return *context = (void *)1, 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuEventCreate(void **event, unsigned flags) { return *event = (void *)1, 0; }
int cuEventDestroy_v2(void *event) { return 0; }
int cuEventRecord(void *event, void *stream) { return 0; }
int cuStreamCreate(void **stream, unsigned flags) { return *stream = (void *)1, 0; }
int cuStreamDestroy_v2(void *stream) { return 0; }
int cuStreamSynchronize(void *stream) { return 0; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
int cuGetErrorString(int error, const char **text) { return *text = "pretended", 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = asked("FAKE_FREE", 1 << 30), 0; }
int cuMemAlloc_v2(address *at, size_t bytes) { return *at = (address)malloc(bytes), 0; }
int cuMemFree_v2(address at) { return free((void *)at), 0; }
int cuMemcpyHtoD_v2(address to, const void *from, size_t bytes) { return memcpy((void *)to, from, bytes), 0; }
int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, void *stream) { return memcpy((void *)to, from, bytes), 0; }
int cuMemcpyDtoH_v2(void *to, address from, size_t bytes) { return memcpy(to, (void *)from, bytes), 0; }
int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, void *stream) { return memcpy(to, (void *)from, bytes), 0; }
int cuMemcpyDtoD_v2(address to, address from, size_t bytes) { return memcpy((void *)to, (void *)from, bytes), 0; }
int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, void *stream) { return memcpy((void *)to, (void *)from, bytes), 0; }
int cuMemsetD8_v2(address at, unsigned char byte, size_t bytes) { return memset((void *)at, byte, bytes), 0; }
int cuMemsetD8Async(address at, unsigned char byte, size_t bytes, void *stream) { return memset((void *)at, byte, bytes), 0; }
int cuModuleLoadData(void **module, const void *image) { return *module = (void *)1, asked("FAKE_MODULE", 0); }
int cuModuleUnload(void *module) { return 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) { return *function = (void *)1, 0; }
int cuLaunchKernel(void *function, ...) { return 0; }

int cublasCreate_v2(void **handle) { return *handle = (void *)1, 0; }
int cublasDestroy_v2(void *handle) { return 0; }
int cublasSetStream_v2(void *handle, void *stream) { return 0; }
int cublasSgemm_v2(void *handle, ...) { return 0; }
int cublasDgemm_v2(void *handle, ...) { return 0; }
int cublasSgemmStridedBatched(void *handle, ...) { return 0; }
int cublasDgemmStridedBatched(void *handle, ...) { return 0; }

int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
int nvrtcCreateProgram(void **program, ...) { return *program = (void *)1, 0; }
int nvrtcCompileProgram(void *program, ...) { return 0; }
int nvrtcDestroyProgram(void **program) { return 0; }
int nvrtcGetPTXSize(void *program, size_t *size) { return *size = 1, 0; }
int nvrtcGetPTX(void *program, char *text) { return *text = 0, 0; }
int nvrtcGetProgramLogSize(void *program, size_t *size) { return *size = 1, 0; }
int nvrtcGetProgramLog(void *program, char *text) { return *text = 0, 0; }
