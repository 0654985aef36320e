/* How fast can this machine compute, and how fast can it read?
 *
 *     probe THREADS BYTES [ISA [CPU ...]]
 *
 * prints one line "name value" for each limit: cycles, FLOP or bytes per second. BYTES is the size of the buffer for the
 * main-memory test; it should be several times the last cache. ISA (avx512, avx2, sse2, neon, plain) forces an
 * instruction set; "widest", the default, is the widest that this processor has. The threads are pinned to the CPUs, in
 * turn; without any, and where the system can't pin, they run wherever it puts them. `peak()` in peak.py runs this and
 * reads the lines.
 *
 * Each limit is the best of several runs: noise can only make a run slower. Two things keep the optimiser from deleting
 * the work, as it deletes every computation whose result nobody sees: results end up in a volatile variable, and an
 * empty asm statement tells the compiler that a value or the memory may have changed.
 *
 * Threads: each owns its buffer and touches it first, so that its pages lie near its core; they share the counter that
 * starts them together, and nothing else. They are pinned because a run is too short for the scheduler to part two that
 * woke on one core: the limit of all cores was then that of one.
 */
#define _GNU_SOURCE /* madvise, clock_gettime, pthread_setaffinity_np */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { RUNS = 15, PARTS = 16, MAX_THREADS = 1024 };

/* A fused multiply-add takes 4 cycles, and a core starts 2 (x86) or 4 (big ARM cores) in each: so many must be under
 * way at once, each on an accumulator of its own, or the core waits for itself. */
#if defined(__aarch64__)
enum { CHAINS = 24 };
#else
enum { CHAINS = 12 };
#endif

/* Read at run time, so that the compiler can't compute with them; x -> x * factor + step stays near 1. */
static volatile double factor = 0.999999, step = 1e-6;

/* A kernel does its work `rounds` times, over `bytes` of `data` where it reads any. */
typedef double (*kernel_fn)(const void *data, size_t bytes, size_t rounds);

/* ---- the clock: each addition needs the result of the one before, and takes one cycle ---- */

static double
clock_chain(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    uint64_t x = 0;
    uint64_t one = (uint64_t)(factor + 1); /* 1, but the compiler doesn't know */
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            x += one;
            __asm__ volatile("" : "+r"(x));
        }
    }
    return (double)x;
}

/* ---- arithmetic: CHAINS independent chains of x = x * a + b ---- */

/* A register of its own for every x: or the compiler packs neighbours into a vector, and the scalar test is none. */
#if defined(__x86_64__)
#define KEEP_SCALAR(x) __asm__ volatile("" : "+x"(x))
#elif defined(__aarch64__)
#define KEEP_SCALAR(x) __asm__ volatile("" : "+w"(x))
#else
#define KEEP_SCALAR(x) __asm__ volatile("" : "+m"(x))
#endif

static double
scalar_muladd(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    double a = factor, b = step, x[CHAINS], sum = 0;
    for (int c = 0; c < CHAINS; c++) {
        x[c] = 1 + 0.01 * c;
    }
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) {
            double next = x[c] * a + b;
            KEEP_SCALAR(next);
            x[c] = next;
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        sum += x[c];
    }
    return sum;
}

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
__attribute__((target("fma")))
#endif
static double
scalar_fma(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    double a = factor, b = step, x[CHAINS], sum = 0;
    for (int c = 0; c < CHAINS; c++) {
        x[c] = 1 + 0.01 * c;
    }
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) {
            double next = __builtin_fma(x[c], a, b);
            KEEP_SCALAR(next);
            x[c] = next;
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        sum += x[c];
    }
    return sum;
}
#endif

/* ---- reading: OR together all that is there; four accumulators, since one would be a chain ---- */

static double
plain_read(const void *data, size_t bytes, size_t rounds)
{
    const uint64_t *p = data;
    uint64_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::: "memory"); /* "memory may have changed": read it again */
        for (size_t i = 0; i < bytes / 8; i += 4) {
            a0 |= p[i], a1 |= p[i + 1], a2 |= p[i + 2], a3 |= p[i + 3];
        }
    }
    return (double)(a0 | a1 | a2 | a3);
}

#if defined(__x86_64__)

static double
sse2_muladd(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    __m128d a = _mm_set1_pd(factor), b = _mm_set1_pd(step), x[CHAINS];
    double lanes[2], sum = 0;
    for (int c = 0; c < CHAINS; c++) {
        x[c] = _mm_set1_pd(1 + 0.01 * c);
    }
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) {
            x[c] = _mm_add_pd(_mm_mul_pd(x[c], a), b);
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        _mm_storeu_pd(lanes, x[c]);
        sum += lanes[0] + lanes[1];
    }
    return sum;
}

__attribute__((target("avx2,fma"))) static double
avx2_fma(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    __m256d a = _mm256_set1_pd(factor), b = _mm256_set1_pd(step), x[CHAINS];
    double lanes[4], sum = 0;
    for (int c = 0; c < CHAINS; c++) {
        x[c] = _mm256_set1_pd(1 + 0.01 * c);
    }
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) {
            x[c] = _mm256_fmadd_pd(x[c], a, b);
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        _mm256_storeu_pd(lanes, x[c]);
        sum += lanes[0] + lanes[1] + lanes[2] + lanes[3];
    }
    return sum;
}

__attribute__((target("avx2"))) static double
avx2_read(const void *data, size_t bytes, size_t rounds)
{
    const __m256i *p = data;
    __m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
    int64_t lanes[4];
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::: "memory");
        for (size_t i = 0; i < bytes / sizeof *p; i += 4) {
            a0 = _mm256_or_si256(a0, _mm256_load_si256(p + i));
            a1 = _mm256_or_si256(a1, _mm256_load_si256(p + i + 1));
            a2 = _mm256_or_si256(a2, _mm256_load_si256(p + i + 2));
            a3 = _mm256_or_si256(a3, _mm256_load_si256(p + i + 3));
        }
    }
    a0 = _mm256_or_si256(_mm256_or_si256(a0, a1), _mm256_or_si256(a2, a3));
    _mm256_storeu_si256((__m256i *)lanes, a0);
    return (double)(lanes[0] | lanes[1] | lanes[2] | lanes[3]);
}

__attribute__((target("avx512f"))) static double
avx512_fma(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    __m512d a = _mm512_set1_pd(factor), b = _mm512_set1_pd(step), x[CHAINS];
    double sum = 0;
    for (int c = 0; c < CHAINS; c++) {
        x[c] = _mm512_set1_pd(1 + 0.01 * c);
    }
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) {
            x[c] = _mm512_fmadd_pd(x[c], a, b);
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        sum += _mm512_reduce_add_pd(x[c]);
    }
    return sum;
}

__attribute__((target("avx512f"))) static double
avx512_read(const void *data, size_t bytes, size_t rounds)
{
    const char *p = data;
    __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0;
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::: "memory");
        for (size_t i = 0; i < bytes; i += 256) {
            a0 = _mm512_or_si512(a0, _mm512_load_si512(p + i));
            a1 = _mm512_or_si512(a1, _mm512_load_si512(p + i + 64));
            a2 = _mm512_or_si512(a2, _mm512_load_si512(p + i + 128));
            a3 = _mm512_or_si512(a3, _mm512_load_si512(p + i + 192));
        }
    }
    a0 = _mm512_or_si512(_mm512_or_si512(a0, a1), _mm512_or_si512(a2, a3));
    return (double)_mm512_reduce_or_epi64(a0);
}

#elif defined(__aarch64__)

static double
neon_fma(const void *data, size_t bytes, size_t rounds)
{
    (void)data, (void)bytes;
    float64x2_t a = vdupq_n_f64(factor), b = vdupq_n_f64(step), x[CHAINS];
    double sum = 0;
    for (int c = 0; c < CHAINS; c++) {
        x[c] = vdupq_n_f64(1 + 0.01 * c);
    }
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) {
            x[c] = vfmaq_f64(b, x[c], a);
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        sum += vaddvq_f64(x[c]);
    }
    return sum;
}

static double
neon_read(const void *data, size_t bytes, size_t rounds)
{
    const uint64_t *p = data;
    uint64x2_t a0 = vdupq_n_u64(0), a1 = a0, a2 = a0, a3 = a0;
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::: "memory");
        for (size_t i = 0; i < bytes / 8; i += 8) {
            a0 = vorrq_u64(a0, vld1q_u64(p + i));
            a1 = vorrq_u64(a1, vld1q_u64(p + i + 2));
            a2 = vorrq_u64(a2, vld1q_u64(p + i + 4));
            a3 = vorrq_u64(a3, vld1q_u64(p + i + 6));
        }
    }
    a0 = vorrq_u64(vorrq_u64(a0, a1), vorrq_u64(a2, a3));
    return (double)(vgetq_lane_u64(a0, 0) | vgetq_lane_u64(a0, 1));
}

#endif

/* ---- one instruction set after the other, widest first; `lanes` doubles in a vector ---- */

struct isa {
    const char *name;
    int lanes, available;
    kernel_fn compute, compute_scalar, read;
};

static const struct isa *
choose_isa(const char *wanted)
{
    static struct isa all[4];
    size_t n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx512 = __builtin_cpu_supports("avx512f") != 0;
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    all[n++] = (struct isa){"avx512", 8, avx512 && avx2, avx512_fma, scalar_fma, avx512_read};
    all[n++] = (struct isa){"avx2", 4, avx2, avx2_fma, scalar_fma, avx2_read};
    all[n++] = (struct isa){"sse2", 2, 1, sse2_muladd, scalar_muladd, plain_read};
#elif defined(__aarch64__)
    all[n++] = (struct isa){"neon", 2, 1, neon_fma, scalar_fma, neon_read};
#endif
    all[n++] = (struct isa){"plain", 1, 1, scalar_muladd, scalar_muladd, plain_read};
    for (size_t i = 0; i < n; i++) {
        if (all[i].available && (wanted == NULL || strcmp(wanted, all[i].name) == 0)) {
            return &all[i];
        }
    }
    return NULL;
}

/* ---- running a kernel on several threads at once ---- */

/* What each thread does in a run: PARTS calls of the kernel. Each works `rounds` times over `bytes` of the thread's
 * buffer, and begins `stride` bytes after the one before. */
struct task {
    kernel_fn kernel;
    size_t bytes, stride, rounds;
};

/* Where the threads may run: `cpus[i % count]` for thread i, or anywhere when `count` is 0. */
struct placement {
    size_t count;
    int cpus[MAX_THREADS];
};

struct team {
    struct task task;
    const struct placement *placement;
    size_t threads;
    atomic_size_t arrived;
    atomic_int failed;
};

struct member {
    struct team *team;
    size_t number;
    pthread_t thread;
    double at[RUNS][PARTS + 1];       /* when each part began; the last, when the last part ended */
    double executed[RUNS][PARTS + 1]; /* the thread's processor time then */
    volatile double sink;
};

static double
seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best effort: a system without affinity, or a CPU that is not ours, leaves the thread where it is. */
static void
pin(const struct placement *placement, size_t number)
{
#ifdef __linux__
    if (placement->count > 0) {
        int cpu = placement->cpus[number % placement->count];
        cpu_set_t *set = CPU_ALLOC((size_t)cpu + 1);
        if (set != NULL) {
            size_t size = CPU_ALLOC_SIZE((size_t)cpu + 1);
            CPU_ZERO_S(size, set);
            CPU_SET_S((size_t)cpu, size, set);
            (void)pthread_setaffinity_np(pthread_self(), size, set);
            CPU_FREE(set);
        }
    }
#else
    (void)placement, (void)number;
#endif
}

static void
wait_for_all(struct team *team, size_t run)
{
    atomic_fetch_add(&team->arrived, 1);
    while (atomic_load(&team->arrived) < (run + 1) * team->threads) {
        sched_yield();
    }
}

static void *
member_run(void *argument)
{
    struct member *self = argument;
    struct team *team = self->team;
    const struct task *task = &team->task;
    size_t size = task->bytes + (PARTS - 1) * task->stride;
    pin(team->placement, self->number); /* before the first touch */
    char *data = aligned_alloc(4096, size);
    if (data == NULL) {
        atomic_store(&team->failed, 1);
    } else {
#ifdef MADV_HUGEPAGE
        (void)madvise(data, size, MADV_HUGEPAGE); /* fewer address translations; harmless when refused */
#endif
        memset(data, 1, size); /* the first touch: it gives the pages to this thread */
    }
    for (size_t run = 0; run < RUNS; run++) {
        wait_for_all(team, run); /* the failed ones take part, too, or the others would wait for ever */
        if (atomic_load(&team->failed)) {
            continue;
        }
        for (size_t part = 0; part <= PARTS; part++) {
            self->executed[run][part] = seconds(CLOCK_THREAD_CPUTIME_ID);
            self->at[run][part] = seconds(CLOCK_MONOTONIC);
            if (part < PARTS) {
                self->sink = task->kernel(data + part * task->stride, task->bytes, task->rounds);
            }
        }
    }
    free(data);
    return NULL;
}

struct result {
    double parts; /* per second, of all threads together */
    double cores; /* how many of them executed, on average */
};

/* Add what a thread did between `begin` and `end`, fractions of parts included: parts, and seconds of processor time. */
static void
add_between(struct result *sum, const struct member *member, size_t run, double begin, double end)
{
    const double *at = member->at[run], *executed = member->executed[run];
    for (size_t part = 0; part < PARTS; part++) {
        double from = at[part] > begin ? at[part] : begin;
        double to = at[part + 1] < end ? at[part + 1] : end;
        if (to > from) {
            double fraction = (to - from) / (at[part + 1] - at[part]);
            sum->parts += fraction;
            sum->cores += fraction * (executed[part + 1] - executed[part]);
        }
    }
}

/* One run. The rates of the threads add up only while all of them work, so what counts is done between the start of the
 * last and the end of the first. Where that is hardly any time, since they ran one after the other, it's the whole run:
 * all parts, from the first start to the last end. */
static struct result
rate_of_run(const struct member *members, size_t threads, size_t run)
{
    double begin = members[0].at[run][0], all_begin = begin;
    double end = members[0].at[run][PARTS], all_end = end;
    for (size_t i = 0; i < threads; i++) {
        const double *at = members[i].at[run];
        begin = at[0] > begin ? at[0] : begin;
        end = at[PARTS] < end ? at[PARTS] : end;
        all_begin = at[0] < all_begin ? at[0] : all_begin;
        all_end = at[PARTS] > all_end ? at[PARTS] : all_end;
    }
    int together = end - begin >= 0.25 * (all_end - all_begin);
    begin = together ? begin : all_begin;
    end = together ? end : all_end;
    struct result sum = {0, 0};
    for (size_t i = 0; i < threads; i++) {
        add_between(&sum, &members[i], run, begin, end);
    }
    return (struct result){sum.parts / (end - begin), sum.cores / (end - begin)};
}

/* The best of RUNS runs; a rate of -1 where there was no memory or no thread to be had. */
static struct result
best_rate(struct task task, size_t threads, const struct placement *placement)
{
    struct result best = {-1, 0};
    struct team team = {.task = task, .placement = placement, .threads = threads};
    struct member *members = calloc(threads, sizeof *members);
    if (members == NULL) {
        return best;
    }
    size_t started = 0;
    for (; started < threads; started++) {
        members[started].team = &team;
        members[started].number = started;
        if (pthread_create(&members[started].thread, NULL, member_run, &members[started]) != 0) {
            break;
        }
    }
    if (started < threads) { /* stand in for those that are missing, so that the others finish */
        atomic_store(&team.failed, 1);
        atomic_fetch_add(&team.arrived, (threads - started) * RUNS);
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(members[i].thread, NULL);
    }
    for (size_t run = 0; run < RUNS && !atomic_load(&team.failed); run++) {
        struct result found = rate_of_run(members, threads, run);
        best = found.parts > best.parts ? found : best;
    }
    free(members);
    return best;
}

/* Prints "name rate" and returns how many threads executed; -1 for an error. `work`: of one part, in FLOP or bytes. */
static double
report(const char *name, double work, struct task task, size_t threads, const struct placement *placement)
{
    struct result best = best_rate(task, threads, placement);
    if (best.parts <= 0) {
        fprintf(stderr, "probe: no memory or no threads for %s\n", name);
        return -1;
    }
    printf("%s %.6g\n", name, work * best.parts);
    return best.cores;
}

/* A kernel that computes, `rounds` times in each part; `work` a round. */
static double
compute(const char *name, double work, kernel_fn kernel, size_t rounds, size_t threads,
        const struct placement *placement)
{
    struct task task = {.kernel = kernel, .bytes = 4096, .rounds = rounds};
    return report(name, work * (double)rounds, task, threads, placement);
}

/* A kernel that reads the same `bytes` again and again: what a cache delivers. */
static double
read_cached(const char *name, kernel_fn kernel, size_t bytes, size_t rounds, const struct placement *placement)
{
    struct task task = {.kernel = kernel, .bytes = bytes, .rounds = rounds};
    return report(name, (double)bytes * (double)rounds, task, 1, placement);
}

/* A kernel that reads `bytes` once, PARTS pieces one after the other: what main memory delivers. */
static double
read_memory(const char *name, kernel_fn kernel, size_t bytes, size_t threads, const struct placement *placement)
{
    size_t piece = bytes / PARTS / 4096 * 4096;
    struct task task = {.kernel = kernel, .bytes = piece, .stride = piece, .rounds = 1};
    return report(name, (double)piece, task, threads, placement);
}

int
main(int argc, char **argv)
{
    static struct placement placement;
    size_t threads = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    size_t bytes = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 0;
    const char *wanted = argc > 3 && strcmp(argv[3], "widest") != 0 ? argv[3] : NULL;
    const struct isa *isa = choose_isa(wanted);
    int fine = threads >= 1 && threads <= MAX_THREADS && bytes / threads >= PARTS * 4096 && isa != NULL;
    for (int i = 4; i < argc && fine && placement.count < MAX_THREADS; i++) {
        char *rest;
        long cpu = strtol(argv[i], &rest, 10);
        fine = *argv[i] != '\0' && *rest == '\0' && cpu >= 0 && cpu < 1 << 20;
        placement.cpus[placement.count++] = (int)cpu;
    }
    if (!fine) {
        fprintf(stderr, "usage: probe THREADS BYTES [widest | avx512 | avx2 | sse2 | neon | plain [CPU ...]]\n");
        return 2;
    }
    static const struct placement anywhere; /* one thread finds a free core by itself */
    size_t l1 = 16 << 10, l2 = 256 << 10;
    double flop = 2.0 * CHAINS, cores = 0;
    printf("simd %s\n", isa->name);
    int failed = compute("clock", 16, clock_chain, 31250, 1, &anywhere) < 0 ||
                 compute("flops_scalar", flop, isa->compute_scalar, 62500, 1, &anywhere) < 0 ||
                 compute("flops", flop * isa->lanes, isa->compute, 62500, 1, &anywhere) < 0 ||
                 (cores = compute("flops_all", flop * isa->lanes, isa->compute, 62500, threads, &placement)) < 0 ||
                 read_cached("bandwidth_l1", isa->read, l1, 1250, &anywhere) < 0 ||
                 read_cached("bandwidth_l2", isa->read, l2, 50, &anywhere) < 0 ||
                 read_memory("bandwidth", isa->read, bytes, 1, &anywhere) < 0 ||
                 read_memory("bandwidth_all", isa->read, bytes / threads, threads, &placement) < 0;
    if (!failed) {
        printf("cores_free %.3g\n", cores);
    }
    return failed ? 1 : 0;
}
