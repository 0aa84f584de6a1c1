//go:build race

package runloop_test

func init() { raceDetector = true }
