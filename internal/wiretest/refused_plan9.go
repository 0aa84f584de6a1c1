package wiretest

import "syscall"

var errRefused error = syscall.NewError("connection refused")
