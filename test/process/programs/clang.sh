# clang compiles a C++20 unit; what it made runs on the library as well.
needs=clang++-14
. "$here/cxx.inc"
job() { compile clang++-14; }
