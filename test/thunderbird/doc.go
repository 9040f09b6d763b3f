// Package thunderbird lets Thunderbird, as Debian ships it, work with the real server:
// under Xvfb, driven over Marionette, its remote control, as far as possible through
// what a person would use. `make thunderbird` installs it and runs this; it is large
// and no part of `make test`.
//
//	thunderbird_test.go what it does, and what the server has to say of it
//	marionette_test.go  the remote control
//	account.js          an account in a profile, and how to wait
package thunderbird
