// Opens a verilated design for Rust: one table with the address of every port, one call to clock it.
// Compiled once for each model class, with TOP, PORTS and CLOCK_BEFORE defined by build.rs.

#include <cstddef>
#include <cstdint>
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#if VM_COVERAGE
#include <cstdlib>
#include <mutex>
#include <string>
#include <unistd.h>
#include "verilated_cov.h"
#endif

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

// As in design.rs.
struct RawPort {
    const char* name;
    void* at;
    uint32_t bits;
};
struct RawDesign {
    void* model;
    const RawPort* ports;
    size_t port_count;
    void (*cycle)(void* model);
    bool (*record)(void* model, const char* path);
    void (*close)(void* model);
};

namespace {

struct Model {
    VerilatedContext context;
    TOP top{&context, TEXT(TOP)};
    RawPort ports[256];
    size_t port_count = 0;
#if VM_COVERAGE
    // Falling edges still to be evaluated: in its reset the clock shows that it toggles.
    int falling_edges = 8;
#endif
#if VM_TRACE_FST
    VerilatedFstC* waves = nullptr;
#endif
    void add(const char* name, void* at, uint32_t bits) { ports[port_count++] = {name, at, bits}; }
};

#if VM_COVERAGE
// What all instances have counted that are closed, kept in the counters of one that never runs. Tests of
// a process run in threads, and each instance would write a file of its own.
struct Coverage {
    std::mutex mutex;
    Model* sum = nullptr;

    static auto& counters(Model* model) { return model->top.rootp->vlSymsp->__Vcoverage; }

    void add(Model* closed);
    void write() const {
        const char* const folder = std::getenv("NVME_RTL_COVERAGE");
        if (!folder) return;
        const std::string name = std::string(TEXT(TOP)) + "." + std::to_string(getpid()) + ".dat";
        sum->context.coveragep()->write(std::string(folder) + "/" + name);
    }
};
Coverage coverage;

void Coverage::add(Model* closed) {
    const std::lock_guard<std::mutex> guard{mutex};
    if (!sum) {
        nvme_rtl::lists_points = true;
        sum = new Model;
        nvme_rtl::lists_points = false;
        std::atexit([] { coverage.write(); });
    }
    auto& into = counters(sum);
    const auto& from = counters(closed);
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); ++i) {
        into[i] = into[i] + from[i] < into[i] ? UINT32_MAX : into[i] + from[i];
    }
}
#endif

void level(Model* self, uint8_t level) {
    self->top.clk = level;
    self->top.eval();
#if VM_TRACE_FST
    if (self->waves) {
        self->waves->dump(self->context.time());
        self->context.timeInc(4);
    }
#endif
}

// Nothing happens at the falling edge, and no output hangs on an input: so it is not evaluated, the model is only told
// that the clock was low before. Half of the work of what hangs on inputs is saved. Waves show both levels, and
// coverage counts a few of both.
void cycle_(void* model) {
    Model* const self = static_cast<Model*>(model);
#ifdef CLOCK_BEFORE
#if VM_TRACE_FST
    if (self->waves) level(self, 0);
#endif
#if VM_COVERAGE
    if (self->falling_edges > 0) {
        --self->falling_edges;
        level(self, 0);
    }
#endif
    self->top.rootp->CLOCK_BEFORE = 0;
#else
    level(self, 0);
#endif
    level(self, 1);
}

bool record_(void* model, const char* path) {
#if VM_TRACE_FST
    Model* const self = static_cast<Model*>(model);
    self->waves = new VerilatedFstC;
    self->top.trace(self->waves, 99);
    self->waves->open(path);
    return self->waves->isOpen();
#else
    return false;
#endif
}

void close_(void* model) {
    Model* const self = static_cast<Model*>(model);
    self->top.final();
#if VM_COVERAGE
    coverage.add(self);
#endif
#if VM_TRACE_FST
    if (self->waves) {
        self->waves->close();
        delete self->waves;
    }
#endif
    delete self;
}

}  // namespace

extern "C" void PASTE(TOP, _open)(RawDesign* design) {
    Model* const self = new Model;
#if VM_TRACE_FST
    self->context.traceEverOn(true);
#endif
#define PORT(name, bits) self->add(#name, &self->top.name, bits);
    PORTS
#undef PORT
    *design = {self, self->ports, self->port_count, cycle_, record_, close_};
}
