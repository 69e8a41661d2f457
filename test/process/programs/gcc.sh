# g++ compiles a C++20 unit; what it made runs on the library as well.
needs=g++
. "$here/cxx.inc"
job() { compile g++; }
