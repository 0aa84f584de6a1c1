// Package testenv lets package runlooptest keep its clients apart from the
// environment of the program under test.
package testenv

// WithoutEnvironment is a runloop.Option with which NewClient reads no environment
// variables. Package runloop sets it. It is an any because this package cannot import
// that one.
var WithoutEnvironment any
