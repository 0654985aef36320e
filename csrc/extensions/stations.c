/* stations.c: snek.stations and snek.stations_part, the Python face of kernels/stations.c.

   In Python:

       def stations(source, *, threads=0):
           return {name: (low / 10, rounded(total, count) / 10, high / 10, count)
                   for name, low, total, high, count in run(source, threads)}

       def stations_part(source, *, threads=0):
           return {name: (low, total, high, count) for name, low, total, high, count in run(source, threads)}

       def run(source, threads):
           if is_path(source):
               with open(source, "rb", buffering=0) as file:
                   return kernels.stations_run(file, threads)
           return kernels.stations_run(memoryview(source), threads)

       def rounded(total, count): return (2 * total + count) // (2 * count)      # half a tenth goes up

   Threads: may be called from any number of threads and interpreters at once.
   Ownership: a call owns the file that it opens, the buffer that it acquires and the result of the kernel, and releases
   all three before it returns. The dict is the caller's. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kernels/stations.h"
#include "detached.h"
#include "parser.h"
#include "state.h"
#include "stations.h"

const char snek_stations_doc[] =
    "stations($module, source, *, threads=0)\n--\n\n"
    "Aggregate lines like 'Hamburg;-12.3': return {name: (min, mean, max, count)}, sorted by name.\n\n"
    "source: what holds the lines. A str or an os.PathLike is the path of a regular file; a bytes-like\n"
    "    object (bytes, bytearray, a C-contiguous memoryview, mmap.mmap...) holds the lines itself.\n"
    "threads: 1 to 1024, the calling thread among them; 0: one for each CPU this process may use (its\n"
    "    affinity, its cgroup's quota; -X cpu_count and PYTHON_CPU_COUNT override both from 3.14 on).\n\n"
    "A line is a name, ';', a temperature and '\\n' or '\\r\\n'; the last one may end without '\\n'.\n"
    "A name is 1 to 100 bytes of UTF-8, any characters but ';' and '\\n', a byte order mark at the start of\n"
    "the file among them; one that ends in '\\r' keeps it. A temperature is of the form\n"
    "-?[0-9]?[0-9][.][0-9]: from -99.9 to 99.9, with one decimal; '-0.0' is 0.0, '05.3' is 5.3.\n"
    "Without any line the result is {}.\n\n"
    "min and max are the doubles nearest to the decimals. mean is the exact mean, rounded to one decimal,\n"
    "halves towards positive infinity as in the one-billion-row challenge: of 0.1 and 0.2 it is 0.2, of\n"
    "-0.1 and -0.2 it is -0.1. It is never -0.0.\n\n"
    "Raises ValueError for a malformed line; the message says at which byte it begins, counted from 0.\n"
    "It is the first one, whatever threads is. OSError if the file cannot be opened or read; of errno\n"
    "EISDIR (IsADirectoryError) if it is a directory, EINVAL if it is a pipe, a socket or a device, EIO if\n"
    "it becomes shorter meanwhile or has another size than it says, as in /proc and /sys. What is appended\n"
    "meanwhile is not read. TypeError for an argument of a wrong type, ValueError for a wrong number of\n"
    "threads, BufferError for a buffer that is not C-contiguous.\n\n"
    "Memory: up to 600 kilobytes a thread, however large the file is. A name takes 450 to 600 bytes at the\n"
    "peak on up to 4 threads, half of them for its part of the result, and some 100 more on each thread\n"
    "beyond.\n\n"
    "Names that somebody has made up to collide in its hash table make it slow: 10,000 of them a hundred\n"
    "times as slow. Don't give it what a stranger wrote without a limit of time or size.\n\n"
    "Threads: the thread state is detached (the GIL released) while it computes, attached while it makes\n"
    "the dict. A buffer can't be resized meanwhile. While others write to it, the result is that of some\n"
    "mixture of old and new bytes, a line here and there counted twice or not at all, or a ValueError.\n"
    "Ctrl-C stops the call within 100 ms when it runs in the main thread; when there are millions of names\n"
    "it may take some tenths of a second, while a table or the dict grows or is given back. Reads that have\n"
    "begun are waited for, unless the signal interrupts them: on a disk that hangs, so does the call. A file given\n"
    "by its path may be truncated by anybody; the file behind a mmap.mmap must not be: the system ends a\n"
    "process that reads a mapped page which is no longer there.";

const char snek_stations_part_doc[] =
    "stations_part($module, source, *, threads=0)\n--\n\n"
    "Aggregate lines as stations does, without rounding: return {name: (min, sum, max, count)}, sorted by name.\n\n"
    "min, sum and max are integers, in tenths of a degree. Those of two parts of a file can be added up, which\n"
    "rounded means cannot. For parts read by several processes or machines: each calls stations_part, the\n"
    "results are pickled or sent in any other way, and stations_merge makes of them what stations would have\n"
    "returned for all the lines together. Cut a file behind a '\\n': a line in two pieces is malformed, or two\n"
    "lines.\n\n"
    "sum is exact, and of less than 64 bits however many lines there are.\n\n"
    "source, threads, what a line is, the errors (bytes are counted from the start of this source), memory,\n"
    "and what threads and Ctrl-C may do: as in stations.";

enum { SOURCE, THREADS, STATIONS_ARGUMENTS };

static const char *const stations_names[STATIONS_ARGUMENTS] = {"source", "threads"};

/* Something to read from, and what has to be given back. */
typedef struct {
    stations_source lines;
    PyObject *path; /* str or bytes; NULL: a buffer */
    Py_buffer view;
} opened;

static void
opened_release(opened *self)
{
    if (self->path != NULL) {
        close(self->lines.file);
        Py_DECREF(self->path);
    } else {
        PyBuffer_Release(&self->view);
    }
}

/* Why a file cannot be read: an errno, and more words than the system has for it, or NULL. */
typedef struct {
    int error; /* 0: nothing is wrong */
    const char *words;
} refusal;

static const char wrong_size[] =
    "The file's size is not that of its contents: it was truncated meanwhile, or the system "
    "makes it up while it is read";

/* Sets the OSError: of the subclass that goes with the errno, if there is one. */
static void
raise_refusal(refusal why, PyObject *path)
{
    if (why.words == NULL) {
        errno = why.error;
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        return;
    }
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "isO", why.error, why.words, path);
    if (error != NULL) {
        PyErr_SetObject(PyExc_OSError, error);
        Py_DECREF(error);
    }
}

#define READ_IT " is no regular file: read it to its end yourself, and pass the bytes"

/* What is wrong with a file of which `stat` or `fstat` returned `failed`. */
static refusal
regular_refusal(int failed, const struct stat *about)
{
    if (failed < 0) {
        return (refusal){errno, NULL};
    }
    switch (about->st_mode & S_IFMT) {
    case S_IFREG:
        return (refusal){(uint64_t)about->st_size > STATIONS_SIZE_MAX ? EFBIG : 0, NULL};
    case S_IFDIR:
        return (refusal){EISDIR, NULL};
    case S_IFIFO:
        return (refusal){EINVAL, "A pipe" READ_IT};
    case S_IFSOCK:
        return (refusal){EINVAL, "A socket" READ_IT};
    case S_IFCHR:
        return (refusal){EINVAL, "A character device (a terminal, /dev/null)" READ_IT};
    case S_IFBLK:
        return (refusal){EINVAL, "A block device" READ_IT};
    default:
        return (refusal){EINVAL, "This" READ_IT};
    }
}

/* What is wrong with a file that says it is empty. Most files of /proc say so, and are not. */
static refusal
empty_refusal(int file)
{
    struct stat about;
    char byte;
    ssize_t bytes = pread(file, &byte, 1, 0);

    if (bytes < 0) {
        return (refusal){errno, NULL};
    }
    if (bytes == 0) {
        return (refusal){0, NULL};
    }
    /* Somebody may have written to it since it said so. Then it is read as it was. */
    if (fstat(file, &about) < 0) {
        return (refusal){errno, NULL};
    }
    return about.st_size > 0 ? (refusal){0, NULL} : (refusal){EIO, wrong_size};
}

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY)

/* Opens a regular file. Needs no thread state: it may take its time. */
static refusal
open_regular(const char *path, stations_source *lines)
{
    struct stat about;
    /* Before it is opened: who writes to a pipe would notice that. */
    refusal why = regular_refusal(stat(path, &about), &about);

    if (why.error != 0) {
        return why;
    }
    /* O_NONBLOCK: what has become a pipe since then must not keep us. It also refuses a file on which another process
       has a lease; that one gives it back when we wait. */
    lines->file = open(path, OPEN_FLAGS | O_NONBLOCK);
    if (lines->file < 0 && errno == EWOULDBLOCK) {
        lines->file = open(path, OPEN_FLAGS);
    }
    if (lines->file < 0) {
        return (refusal){errno, NULL};
    }
    why = regular_refusal(fstat(lines->file, &about), &about);
    if (why.error == 0 && about.st_size == 0) {
        why = empty_refusal(lines->file);
    }
    if (why.error != 0) {
        close(lines->file);
        return why;
    }
    lines->size = (uint64_t)about.st_size;
    return why;
}

static int
opened_from_path(opened *self, PyObject *source)
{
    PyObject *path = PyOS_FSPath(source); /* str or bytes */
    PyObject *encoded = NULL;
    refusal why = {-1, NULL};

    if (path == NULL || !PyUnicode_FSConverter(path, &encoded) ||
        PySys_Audit("open", "Osi", path, "r", OPEN_FLAGS | O_NONBLOCK) < 0) {
        goto done;
    }
    do {
        PyThreadState *thread = PyEval_SaveThread();
        why = open_regular(PyBytes_AS_STRING(encoded), &self->lines);
        PyEval_RestoreThread(thread);
    } while (why.error == EINTR && PyErr_CheckSignals() == 0);
    if (why.error == 0) {
        self->path = Py_NewRef(path);
    } else if (why.error != EINTR) { /* otherwise the signal handler's exception is set */
        raise_refusal(why, path);
    }
done:
    Py_XDECREF(encoded);
    Py_XDECREF(path);
    return why.error == 0 ? 0 : -1;
}

static int
opened_from_buffer(opened *self, PyObject *object)
{
    /* In any layout, for what NumPy raises when asked for a contiguous one is a ValueError. */
    if (PyObject_GetBuffer(object, &self->view, PyBUF_INDIRECT) < 0) {
        return -1;
    }
    if (!PyBuffer_IsContiguous(&self->view, 'C')) {
        PyErr_Format(PyExc_BufferError, "source must be C-contiguous; this %.200s is not", Py_TYPE(object)->tp_name);
        PyBuffer_Release(&self->view);
        return -1;
    }
    self->lines = (stations_source){.file = -1, .data = self->view.buf, .size = (uint64_t)self->view.len};
    self->path = NULL;
    return 0;
}

/* Is it an os.PathLike? -1: an exception is set, by a metaclass's __getattr__ perhaps. */
static int
has_fspath(PyObject *object)
{
    /* Interned: CPython's cache of attributes goes by a name's address, and keeps the name. */
    PyObject *name = PyUnicode_InternFromString("__fspath__");

    if (name == NULL) {
        return -1;
    }
    PyObject *found = PyObject_GetAttr((PyObject *)Py_TYPE(object), name);
    Py_DECREF(name);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(found);
    return 1;
}

static int
opened_from(opened *self, PyObject *source)
{
    if (PyUnicode_Check(source)) {
        return opened_from_path(self, source);
    }
    if (PyObject_CheckBuffer(source)) {
        return opened_from_buffer(self, source);
    }
    int path = has_fspath(source);
    if (path != 0) {
        return path < 0 ? -1 : opened_from_path(self, source);
    }
    PyErr_Format(PyExc_TypeError, "source must be a path (str or os.PathLike) or a bytes-like object, not %.200s",
                 Py_TYPE(source)->tp_name);
    return -1;
}

/* The mean in tenths, rounded: the greatest integer not above it + 1/2. */
static int
station_mean(const station *self)
{
    int64_t mean = self->sum / self->count, rest = self->sum % self->count;

    if (rest < 0) { /* C rounds towards zero */
        mean--;
        rest += self->count;
    }
    return (int)mean + (rest >= self->count - rest);
}

/* The nearest double: one division of two exact numbers. */
static double
degrees(int tenths)
{
    return tenths / 10.0;
}

/* What a name is given in the dict. */
typedef PyObject *value_of(const station *row);

static PyObject *
rounded_value(const station *row)
{
    return Py_BuildValue("(dddL)", degrees(row->min), degrees(station_mean(row)), degrees(row->max),
                         (long long)row->count);
}

static PyObject *
exact_value(const station *row)
{
    return Py_BuildValue("(iLiL)", row->min, (long long)row->sum, row->max, (long long)row->count);
}

/* How many names go into the dict before the clock is looked at. */
#define NAMES_PER_POLL 1024

/* Gives other threads their turn, and signal handlers theirs, when it is time. -1: an exception is set. */
static int
take_turns(long long *next)
{
    if (detached_now() < *next) {
        return 0;
    }
    PyEval_RestoreThread(PyEval_SaveThread());
    *next = detached_now() + DETACHED_POLL_NANOSECONDS;
    return PyErr_CheckSignals();
}

/* The dict of what was found; gives that back. */
static PyObject *
build_dict(stations_result *found, value_of *make_value)
{
    PyObject *result = PyDict_New();
    long long next_turn = detached_now() + DETACHED_POLL_NANOSECONDS;

    for (size_t k = 0; result != NULL && k < found->count; k++) {
        const station *row = &found->stations[k];
        PyObject *name = PyUnicode_DecodeUTF8(row->name, (Py_ssize_t)row->length, NULL);
        PyObject *value = name == NULL ? NULL : make_value(row);

        if (value == NULL || PyDict_SetItem(result, name, value) < 0 ||
            ((k + 1) % NAMES_PER_POLL == 0 && take_turns(&next_turn) < 0)) {
            Py_CLEAR(result);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    Py_BEGIN_ALLOW_THREADS; /* the more names, the longer it takes */
    stations_release(found);
    Py_END_ALLOW_THREADS;
    return result;
}

/* As many threads as there is work for. What "one for each CPU" means is looked up only then: it takes longer than a
   short text does. Needs no thread state. */
static size_t
threads_for(const stations_source *lines, size_t asked, const snek_state *state)
{
    if (lines->size <= STATIONS_SEGMENT) {
        return 1;
    }
    return asked > 0 ? asked : snek_default_threads(state);
}

/* All of a call to the function of that name, but how a value is made. */
static PyObject *
aggregate(const char *function, value_of *make_value, PyObject *module, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    PyObject *bound[STATIONS_ARGUMENTS];
    PyObject *result = NULL;
    stations_result found;
    long long asked = 0;
    opened source;
    detached here;

    if (parser_bind(function, stations_names, STATIONS_ARGUMENTS, args, nargs, kwnames, bound) < 0 ||
        parser_integer("threads", bound[THREADS], 0, POOL_MAX_THREADS, &asked) < 0 ||
        opened_from(&source, bound[SOURCE]) < 0) {
        return NULL;
    }

    const stations_caller caller = {detached_interrupted, detached_signalled, &here};

    detached_begin(&here);
    size_t threads = threads_for(&source.lines, (size_t)asked, snek_get_state(module));
    stations_status status = stations_run(&source.lines, STATIONS_SEGMENT, threads, &caller, &found);
    detached_end(&here);

    switch (status) {
    case STATIONS_DONE:
        result = build_dict(&found, make_value);
        break;
    case STATIONS_STOPPED: /* the signal handler's exception is set */
        break;
    case STATIONS_FORKED:
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_RuntimeError,
                         "forked by a signal handler in the middle of %s(): the threads that had a part of the lines "
                         "are not in this child",
                         function);
        }
        break;
    case STATIONS_NO_MEMORY:
        PyErr_NoMemory();
        break;
    case STATIONS_MALFORMED:
        PyErr_Format(PyExc_ValueError, "malformed line at byte %llu: %s", (unsigned long long)found.offset,
                     found.reason);
        break;
    case STATIONS_UNREADABLE:
        raise_refusal((refusal){found.error, NULL}, source.path);
        break;
    case STATIONS_SHRUNK:
        raise_refusal((refusal){EIO, wrong_size}, source.path);
        break;
    }
    opened_release(&source);
    return result;
}

PyObject *
snek_stations(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return aggregate("stations", rounded_value, module, args, nargs, kwnames);
}

PyObject *
snek_stations_part(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return aggregate("stations_part", exact_value, module, args, nargs, kwnames);
}
