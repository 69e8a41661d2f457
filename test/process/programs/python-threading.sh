# test_threading of the regression tests.
module=test_threading
. "$here/python.inc"
