//go:build !plan9

package runlooptest

import "syscall"

// errRefused is the error of a dial when nothing listens.
const errRefused = syscall.ECONNREFUSED
