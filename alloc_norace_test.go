//go:build !race

package runloop_test

const raceDetector = false
