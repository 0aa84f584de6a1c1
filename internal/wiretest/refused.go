//go:build !plan9

package wiretest

import "syscall"

var errRefused error = syscall.ECONNREFUSED
