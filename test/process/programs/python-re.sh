# test_re of the regression tests.
module=test_re
. "$here/python.inc"
