package testsite

// TB is what a helper needs of testing.TB. It is spelled out here so that a program that serves a site does not
// carry package testing, which puts its flags into every binary that imports it.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatal(args ...any)
	Skipf(format string, args ...any)
}
