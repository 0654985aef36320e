/* buffers.h: a writable picture of 32-bit integers, in whatever object holds it.

   In Python:

       def acquire_int32_picture(name, object):
           view = memoryview(object)
           if view.readonly or not view.c_contiguous: raise BufferError
           if view.format not in ("i", "=i", "<i"...) or view.ndim != 2: raise ValueError
           return view

   Errors: 0, or -1 with an exception set and nothing acquired. TypeError: the object has no buffer. BufferError: the
   buffer is read-only, or has gaps. ValueError: a wrong format or shape. Each says what was expected and what came.
   Threads: the caller must have an attached thread state. Until it is released, an acquired buffer stays where it is
   and cannot be resized. Other threads may still change its contents.
   Ownership: on success the caller must call PyBuffer_Release. */

#ifndef SNEK_BUFFERS_H
#define SNEK_BUFFERS_H

#include <Python.h>

#include <stdint.h>
#include <string.h>

/* Is this how the struct module spells a 32-bit signed integer in this machine's byte order? */
static int
buffer_format_is_int32(const char *format)
{
    static const union {
        uint16_t two;
        uint8_t first;
    } one = {1};
    char other = one.first == 1 ? '>' : '<';
    char order = '@';

    if (format == NULL) { /* means "B" */
        return 0;
    }
    if (strchr("@=<>!", format[0]) != NULL && format[0] != '\0') {
        order = *format++;
    }
    if (order == other || (order == '!' && other == '>') || format[0] == '\0' || format[1] != '\0') {
        return 0;
    }
    if (order == '@') {
        return format[0] == 'i' || (format[0] == 'l' && sizeof(long) == 4);
    }
    return format[0] == 'i' || format[0] == 'l'; /* 4 bytes each in the standard sizes */
}

/* Acquires `object` as a writable C-contiguous 2-D int32 buffer; `name` is the argument's, for the messages. */
static int
buffer_acquire_int32_picture(const char *name, PyObject *object, Py_buffer *view)
{
    static const char expected[] = "a writable C-contiguous 2-D buffer of int32";

    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be %s, not %.200s", name, expected, Py_TYPE(object)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_FULL) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError) && !PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear();
        if (PyObject_GetBuffer(object, view, PyBUF_FULL_RO) < 0) { /* not even for reading: its own message says why */
            return -1;
        }
        view->readonly = 1;
    }
    if (view->readonly) {
        PyErr_Format(PyExc_BufferError, "%s must be %s; this %.200s is not writable", name, expected,
                     Py_TYPE(object)->tp_name);
    } else if (view->ndim != 2 || view->shape == NULL) {
        PyErr_Format(PyExc_ValueError, "%s must be %s; this %.200s has %d dimension%s", name, expected,
                     Py_TYPE(object)->tp_name, view->ndim, view->ndim == 1 ? "" : "s");
    } else if (view->itemsize != 4 || !buffer_format_is_int32(view->format)) {
        PyErr_Format(PyExc_ValueError, "%s must be %s; this %.200s has format '%.20s' of %zd bytes", name, expected,
                     Py_TYPE(object)->tp_name, view->format == NULL ? "B" : view->format, view->itemsize);
    } else if (!PyBuffer_IsContiguous(view, 'C')) {
        PyErr_Format(PyExc_BufferError, "%s must be %s; this %.200s of shape (%zd, %zd) is not contiguous", name,
                     expected, Py_TYPE(object)->tp_name, view->shape[0], view->shape[1]);
    } else if (view->shape[0] < 0 || view->shape[1] < 0 ||
               (view->shape[1] > 0 && view->shape[0] > PY_SSIZE_T_MAX / 4 / view->shape[1]) ||
               view->len != view->shape[0] * view->shape[1] * 4) {
        PyErr_Format(PyExc_ValueError, "%s must be %s; this %.200s has %zd bytes for shape (%zd, %zd)", name, expected,
                     Py_TYPE(object)->tp_name, view->len, view->shape[0], view->shape[1]);
    } else if (view->len > 0 && (uintptr_t)view->buf % _Alignof(int32_t) != 0) {
        PyErr_Format(PyExc_ValueError, "%s must be %s; this %.200s does not start at a multiple of %zu bytes", name,
                     expected, Py_TYPE(object)->tp_name, _Alignof(int32_t));
    } else {
        return 0;
    }
    PyBuffer_Release(view);
    return -1;
}

#endif
