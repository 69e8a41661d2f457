# test_ctypes of the regression tests.
module=test_ctypes
. "$here/python.inc"
