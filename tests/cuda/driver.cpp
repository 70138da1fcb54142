// A driver, cuBLAS and NVRTC that pretend. Memory is the host's. Formwork's kernels run on the processor, as with the feature
// `emulated-gpu`; dfdx's own do nothing. What the driver answers is set by variables of the environment.
//
// It is as late as a card may be: what is asked of a stream of one's own is done when somebody waits for it, and not before. New memory is
// full of what is not a number, and what is written beside it ends the program when it is given back.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>
#include EMULATED

typedef size_t address;
typedef std::function<void()> Work;

struct Stream {
    bool waits_for_others;
    bool recording;
    std::vector<Work> queue;
};

struct Graph {
    std::vector<Work> work;
};

struct Function {
    void (*run)(unsigned blocks, unsigned threads, void **arguments);
    unsigned parameters;
};

struct Program {
    std::string text, image, log;
};

struct Handle {
    Stream *stream;
    bool has_workspace, rounds;
};

static std::recursive_mutex lock;
static std::set<Stream *> streams;
static std::map<address, size_t> memory;

typedef std::lock_guard<std::recursive_mutex> Locked;

static long asked(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

// What is being recorded does not run.
static void wait(Stream *stream) {
    if (stream->recording) return;
    std::vector<Work> queue;
    queue.swap(stream->queue);
    for (Work &work : queue) work();
}

static void wait_for_all() {
    for (Stream *stream : streams) wait(stream);
}

// Work on the stream that all share is done at once, after that of the streams that wait for it.
static int ask(Stream *stream, Work work) {
    Locked locked(lock);
    if (stream) {
        stream->queue.push_back(work);
        return 0;
    }
    for (Stream *other : streams)
        if (other->waits_for_others) wait(other);
    work();
    return 0;
}

// What a graph cannot hold, and a thread that records one may not do beside it.
static bool not_in_a_graph(Stream *stream) { return stream && stream->recording; }
static thread_local unsigned recordings;
const int STREAM_CAPTURE_UNSUPPORTED = 900, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500;

// Behind each piece of memory.
const size_t GUARD = 64;
const unsigned char UNTOUCHED = 0x5A;

extern "C" {

int cuInit(unsigned) { return asked("FAKE_INIT", 0); }
int cuDriverGetVersion(int *version) { return *version = asked("FAKE_DRIVER", 13000), 0; }
int cuGetErrorString(int, const char **text) { return *text = "pretended", 0; }
int cuDeviceGetCount(int *count) { return *count = asked("FAKE_COUNT", 1), 0; }
int cuDeviceGet(int *device, int) { return *device = 0, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int) { return *value = attribute == 75 ? 9 : 0, 0; }
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = (void *)1, 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxSetCurrent(void *) { return 0; }
int cuCtxGetDevice(int *device) { return *device = 0, 0; }
int cuCtxSynchronize() {
    Locked locked(lock);
    wait_for_all();
    return 0;
}

int cuEventCreate(void **event, unsigned) { return *event = (void *)1, 0; }
int cuEventDestroy_v2(void *) { return 0; }
int cuEventRecord(void *, void *) { return 0; }
int cuStreamWaitEvent(Stream *, void *, unsigned) { return cuCtxSynchronize(); }

int cuStreamCreate(Stream **stream, unsigned flags) {
    Locked locked(lock);
    *stream = new Stream{!(flags & 1), false, {}};
    streams.insert(*stream);
    return 0;
}
int cuStreamSynchronize(Stream *stream) {
    Locked locked(lock);
    if (not_in_a_graph(stream)) return STREAM_CAPTURE_UNSUPPORTED;
    if (!stream) return cuCtxSynchronize();
    wait(stream);
    return asked("FAKE_SYNCHRONIZE", 0);
}
int cuStreamDestroy_v2(Stream *stream) {
    Locked locked(lock);
    wait(stream);
    streams.erase(stream);
    delete stream;
    return 0;
}

int cuStreamBeginCapture_v2(Stream *stream, int) {
    Locked locked(lock);
    if (!stream || stream->recording) return STREAM_CAPTURE_UNSUPPORTED;
    wait(stream);
    stream->recording = true;
    recordings++;
    return 0;
}
int cuStreamEndCapture(Stream *stream, Graph **graph) {
    Locked locked(lock);
    stream->recording = false;
    recordings--;
    *graph = new Graph;
    (*graph)->work.swap(stream->queue);
    return 0;
}
int cuGraphInstantiateWithFlags(Graph **runnable, Graph *graph, unsigned long long) {
    static long made = 0;
    if (made++ == asked("FAKE_GRAPHS", -1)) return OUT_OF_MEMORY;
    *runnable = new Graph(*graph);
    return asked("FAKE_GRAPH", 0);
}
int cuGraphLaunch(Graph *graph, Stream *stream) {
    for (Work &work : graph->work) ask(stream, work);
    return 0;
}
int cuGraphDestroy(Graph *graph) { return delete graph, 0; }
int cuGraphExecDestroy(Graph *graph) { return delete graph, 0; }

// Either there is so much free at any time, or so much in all.
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    Locked locked(lock);
    long used = 0, all = asked("FAKE_TOTAL", 0);
    for (const auto &piece : memory) used += piece.second;
    *free = all ? (all > used ? all - used : 0) : asked("FAKE_FREE", 1 << 30);
    *total = all ? all : *free;
    return 0;
}
int cuMemAlloc_v2(address *at, size_t bytes) {
    Locked locked(lock);
    if (recordings) return STREAM_CAPTURE_UNSUPPORTED;
    if (bytes > (size_t)asked("FAKE_LARGEST", 1 << 30)) return OUT_OF_MEMORY;
    char *room = (char *)malloc(bytes + GUARD);
    memset(room, 0xFF, bytes);
    memset(room + bytes, UNTOUCHED, GUARD);
    memory[*at = (address)room] = bytes;
    return 0;
}
int cuMemFree_v2(address at) {
    Locked locked(lock);
    if (recordings) return STREAM_CAPTURE_UNSUPPORTED;
    wait_for_all();
    if (!memory.count(at)) return INVALID_VALUE;
    const unsigned char *guard = (unsigned char *)at + memory[at];
    for (size_t i = 0; i < GUARD; i++)
        if (guard[i] != UNTOUCHED) {
            fprintf(stderr, "something was written behind %zu bytes of memory\n", memory[at]);
            abort();
        }
    memory.erase(at);
    free((void *)at);
    return 0;
}

// What is not pinned is copied before the function returns, and comes back when it is waited for.
int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, Stream *stream) {
    if (not_in_a_graph(stream)) return STREAM_CAPTURE_UNSUPPORTED;
    std::string copy((const char *)from, bytes);
    return ask(stream, [=] { memcpy((void *)to, copy.data(), bytes); });
}
int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, Stream *stream) {
    if (not_in_a_graph(stream)) return STREAM_CAPTURE_UNSUPPORTED;
    return ask(stream, [=] { memcpy(to, (void *)from, bytes); });
}
int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, Stream *stream) {
    return ask(stream, [=] { memmove((void *)to, (void *)from, bytes); });
}
int cuMemsetD8Async(address at, unsigned char byte, size_t bytes, Stream *stream) {
    return ask(stream, [=] { memset((void *)at, byte, bytes); });
}
int cuMemcpyHtoD_v2(address to, const void *from, size_t bytes) { return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr); }
int cuMemcpyDtoH_v2(void *to, address from, size_t bytes) { return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr); }
int cuMemcpyDtoD_v2(address to, address from, size_t bytes) { return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr); }
int cuMemsetD8_v2(address at, unsigned char byte, size_t bytes) { return cuMemsetD8Async(at, byte, bytes, nullptr); }

// An image of `nvrtcCompileProgram` below names a library.
int cuModuleLoadData(void **module, const void *image) {
    *module = *(const char *)image == '/' ? dlopen((const char *)image, RTLD_NOW | RTLD_LOCAL) : nullptr;
    return asked("FAKE_MODULE", 0);
}
int cuModuleUnload(void *) { return 0; }
int cuModuleGetFunction(Function **function, void *module, const char *name) {
    *function = nullptr;
    if (!module) return 0;
    void *run = dlsym(module, (std::string("run_") + name).c_str());
    unsigned (*parameters)() = (unsigned (*)())dlsym(module, (std::string("parameters_") + name).c_str());
    if (!run || !parameters) return NOT_FOUND;
    *function = new Function{(void (*)(unsigned, unsigned, void **))run, parameters()};
    return 0;
}
int cuLaunchKernel(Function *function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned, unsigned, Stream *stream,
                   void **arguments, void **) {
    if (!function) return 0;
    if (blocks == 0 || threads == 0 || threads > 1024) return INVALID_VALUE;
    // No argument is longer than an address.
    std::vector<size_t> copies(function->parameters);
    for (size_t i = 0; i < copies.size(); i++) memcpy(&copies[i], arguments[i], sizeof(size_t));
    return ask(stream, [=]() mutable {
        std::vector<void *> list;
        for (size_t &copy : copies) list.push_back(&copy);
        function->run(blocks, threads, list.data());
    });
}

int cublasCreate_v2(Handle **handle) { return *handle = new Handle{nullptr, false, false}, 0; }
int cublasDestroy_v2(Handle *handle) { return delete handle, 0; }
int cublasSetStream_v2(Handle *handle, Stream *stream) { return handle->stream = stream, handle->has_workspace = false, 0; }
int cublasSetWorkspace_v2(Handle *handle, void *, size_t) { return handle->has_workspace = true, 0; }
int cublasSetMathMode(Handle *handle, int mode) { return handle->rounds = mode == 3, 0; }
}

// `C = alpha A B + beta C`, by columns, as BLAS defines it.
template <typename R>
static int multiply(Handle *handle, int a_transposed, int b_transposed, int m, int n, int k, const R *alpha, const R *a, int lda,
                    long long stride_a, const R *b, int ldb, long long stride_b, const R *beta, R *c, int ldc, long long stride_c, int batch) {
    if (lda < (a_transposed ? k : m) || ldb < (b_transposed ? n : k) || ldc < m || m < 1 || n < 1 || k < 1) return 7;
    // A graph cannot hold the memory that cuBLAS would make for itself.
    if (not_in_a_graph(handle->stream) && !handle->has_workspace) return 14;
    R scale = *alpha, keep = *beta;
    bool rounds = handle->rounds && sizeof(R) == sizeof(float);
    return ask(handle->stream, [=] {
        for (long long i = 0; i < batch; i++)
            for (long long column = 0; column < n; column++)
                for (long long row = 0; row < m; row++) {
                    R sum = 0;
                    for (long long j = 0; j < k; j++) {
                        R left = a[i * stride_a + (a_transposed ? row * lda + j : j * lda + row)];
                        R right = b[i * stride_b + (b_transposed ? j * ldb + column : column * ldb + j)];
                        sum += rounds ? tf32(left) * tf32(right) : left * right;
                    }
                    R &to = c[i * stride_c + column * ldc + row];
                    to = scale * sum + (keep == 0 ? 0 : keep * to);
                }
    });
}

extern "C" {

int cublasSgemmStridedBatched(Handle *handle, int at, int bt, int m, int n, int k, const float *alpha, const float *a, int lda,
                              long long stride_a, const float *b, int ldb, long long stride_b, const float *beta, float *c, int ldc,
                              long long stride_c, int batch) {
    return multiply(handle, at, bt, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}
int cublasDgemmStridedBatched(Handle *handle, int at, int bt, int m, int n, int k, const double *alpha, const double *a, int lda,
                              long long stride_a, const double *b, int ldb, long long stride_b, const double *beta, double *c, int ldc,
                              long long stride_c, int batch) {
    return multiply(handle, at, bt, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}
int cublasSgemm_v2(Handle *, ...) { return 0; }
int cublasDgemm_v2(Handle *, ...) { return 0; }

int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
int nvrtcCreateProgram(Program **program, const char *text, ...) { return *program = new Program{text, "", ""}, 0; }
int nvrtcDestroyProgram(Program **program) { return delete *program, *program = nullptr, 0; }

// The kernels as a library for the processor. The file is deleted when the system is told to, with its folder.
int nvrtcCompileProgram(Program *program, int, const char *const *) {
    const char *folder = getenv("FAKE_FOLDER");
    if (!folder || program->text.find(" real;\n") == std::string::npos) return 0;
    if (getenv("FAKE_COMPILER")) return program->log = getenv("FAKE_COMPILER"), 6;
    std::string text = std::string("#include \"" EMULATED "\"\n") + program->text + "\n", mark = "__global__ void ";
    for (size_t at = 0; (at = program->text.find(mark, at)) != std::string::npos;) {
        at += mark.size();
        text += "KERNEL(" + program->text.substr(at, program->text.find('(', at) - at) + ")\n";
    }
    char name[4096];
    snprintf(name, sizeof name, "%s/kernels-%d-%p", folder, getpid(), (void *)program);
    std::string file = name, library = file + ".so", log = file + ".log";
    if (FILE *source = fopen((file + ".cpp").c_str(), "w")) {
        fputs(text.c_str(), source);
        fclose(source);
    }
    // The compiler is a program like others, and not to be given these libraries.
    std::string command = "env -u LD_LIBRARY_PATH c++ -std=c++17 -O1 -U_FORTIFY_SOURCE -w -shared -fPIC -o " + library + " " + file + ".cpp 2> " + log;
    if (system(command.c_str())) return program->log = "see " + log, 6;
    program->image = library;
    return 0;
}
int nvrtcGetPTXSize(Program *program, size_t *size) { return *size = program->image.size() + 1, 0; }
int nvrtcGetPTX(Program *program, char *text) { return strcpy(text, program->image.c_str()), 0; }
int nvrtcGetProgramLogSize(Program *program, size_t *size) { return *size = program->log.size() + 1, 0; }
int nvrtcGetProgramLog(Program *program, char *text) { return strcpy(text, program->log.c_str()), 0; }
}
