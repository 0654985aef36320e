/* module.h: the lower half of the extension modules in the notebooks, as notebook 09 explains it line by line.

   Include it at the end of a `%%cext` cell, compiled with `-I workbench`, after the functions and their table:

       static PyMethodDef methods[] = {...};
       #define MODULE name
       #include "module.h"

   Threads: the module declares that it does not need the GIL. Its functions must live up to that.
   Ownership: the module keeps no state. */

#ifndef MODULE
#error "#define MODULE name, the name of the module, before this header is included"
#endif

/* Two steps, so that MODULE is replaced by what it stands for before # and ## see it. */
#define MODULE_TEXT_OF(name) #name
#define MODULE_TEXT(name) MODULE_TEXT_OF(name)
#define MODULE_INIT_OF(name) PyInit_##name
#define MODULE_INIT(name) MODULE_INIT_OF(name)

static PyModuleDef_Slot module_slots[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = MODULE_TEXT(MODULE),
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC MODULE_INIT(MODULE)(void);

PyMODINIT_FUNC
MODULE_INIT(MODULE)(void)
{
    return PyModuleDef_Init(&module_definition);
}
