// Package noenv lets package runlooptest create clients that read nothing from the environment.
// No other program needs that, so package runloop exports no option for it.
package noenv

// Option is a runloop.Option with which NewClient does not read the environment. Package runloop
// sets it.
var Option any
