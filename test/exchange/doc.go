// Package exchange has real mail servers write to each other, as on the internet: two
// posthorns, Debian's Postfix and Exim, each on a machine of its own with its own
// address, port 25 and a name server that all of them ask.
//
// The machines are network namespaces that the test makes in a namespace of its own,
// so that nothing outside is touched and all of it is gone when the test ends, however
// it ends. That needs root; elsewhere than in CI the tests are skipped without it.
//
//	world_test.go    the machines, the network and the name server
//	posthorn_test.go, postfix_test.go, exim_test.go  how each server is set up, sent to and read
//	exchange_test.go what they write to each other
package exchange
