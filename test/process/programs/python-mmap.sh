# test_mmap of the regression tests.
module=test_mmap
. "$here/python.inc"
