// Package arch holds the laws of this source tree as tests: who may import whom,
// which outside packages are used where, that nothing happens behind a reader's
// back (no init functions, no package-level state), and how long files and
// functions get. It owns no code that runs in the server.
//
// law_test.go is the data, to be edited when the law changes; tree_test.go reads the Go files;
// arch_test.go and state_test.go judge them.
package arch
