#include "python_host.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

// exported by mliap_hybrid.lammps.plugin_path in the process that starts lmp

static const char LIBPYTHON[] = "MLIAP_HYBRID_LIBPYTHON";
static const char EXECUTABLE[] = "MLIAP_HYBRID_PYTHON";

static mliap_bridge bridge;

/* ----------------------------------------------------------------------
   a function of Python, null if this process has none
------------------------------------------------------------------------- */

template <typename Function> static Function *python(const char *name)
{
  return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
}

/* ----------------------------------------------------------------------
   start the interpreter that installed this plugin
------------------------------------------------------------------------- */

static bool start_interpreter(int nthreads, std::string &problem)
{
  const char *advice =
      "start LAMMPS inside Python instead, with the same arguments: "
      "python -m mliap_hybrid.lammps.launcher -in FILE";
  const char *library = getenv(LIBPYTHON);
  const char *executable = getenv(EXECUTABLE);
  if (!executable) {
    problem = "This lmp was not started by the `lmp` command of a Python environment, "
              "so the environment is not known: use that command, or, if it was built from source, set "
              "the lines that `mliap-hybrid compile-plugin` prints, or ";
    problem += advice;
    return false;
  }
  if (!python<int()>("Py_IsInitialized")) {
    if (!library) {
      problem = std::string("The Python at ") + executable + " has no shared library: " + advice;
      return false;
    }
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL)) {
      problem = std::string("Python's library cannot be loaded (") + dlerror() + "): " + advice;
      return false;
    }
  }

  // two OpenMP runtimes share the process: both obey what LAMMPS was told

  setenv("OMP_NUM_THREADS", std::to_string(nthreads).c_str(), 0);

  // its own path tells Python its environment; it keeps the pointer, so that is never freed

  auto *decode = python<wchar_t *(const char *, size_t *)>("Py_DecodeLocale");
  auto *set_program_name = python<void(const wchar_t *)>("Py_SetProgramName");
  auto *initialize = python<void(int)>("Py_InitializeEx");
  if (!decode || !set_program_name || !initialize) {
    problem = std::string("The Python at ") + executable + " cannot be started from lmp: " + advice;
    return false;
  }
  set_program_name(decode(executable, nullptr));
  // this thread keeps the GIL: a LAMMPS with PYTHON finalizes Python at its end without taking it
  initialize(0);    // 0: Ctrl-C keeps stopping lmp
  return true;
}

/* ---------------------------------------------------------------------- */

mliap_bridge *PythonHost::attach(int nthreads, std::string &problem)
{
  if (bridge.compute) return &bridge;

  auto *is_initialized = python<int()>("Py_IsInitialized");
  if (!is_initialized || !is_initialized())
    if (!start_interpreter(nthreads, problem)) return nullptr;

  memset(&bridge, 0, sizeof(bridge));
  bridge.version = MLIAP_BRIDGE_VERSION;
  bridge.bridge_size = sizeof(mliap_bridge);
  bridge.model_size = sizeof(mliap_model);
  bridge.step_size = sizeof(mliap_step);
  bridge.native_size = sizeof(mliap_native);

  // an import that fails leaves its traceback in bridge.message, printed once by the caller

  const std::string address = std::to_string(reinterpret_cast<uintptr_t>(&bridge));
  const std::string room = std::to_string(sizeof(bridge.message) - 1);
  const std::string text_address = std::to_string(reinterpret_cast<uintptr_t>(bridge.message));
  const std::string code = "try:\n"
                           "    from mliap_hybrid.lammps import bridge as _bridge\n"
                           "    _bridge.attach(" + address + ")\n"
                           "except BaseException:\n"
                           "    import ctypes, traceback\n"
                           "    _text = traceback.format_exc().encode()[-" + room + ":]\n"
                           "    ctypes.memmove(" + text_address + ", _text, len(_text))\n";

  auto *ensure = python<int()>("PyGILState_Ensure");
  auto *release = python<void(int)>("PyGILState_Release");
  auto *run = python<int(const char *, void *)>("PyRun_SimpleStringFlags");
  if (!ensure || !release || !run) {
    problem = "This process holds a Python that the mliap plugin cannot use";
    return nullptr;
  }
  const int state = ensure();
  run(code.c_str(), nullptr);
  release(state);

  if (!bridge.compute) {
    problem = "The package mliap_hybrid could not be imported:\n";
    problem += bridge.message;
    return nullptr;
  }
  return &bridge;
}
