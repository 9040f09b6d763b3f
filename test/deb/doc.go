// Package deb tests the server as a service: what it tells a manager like systemd, what
// systemd thinks of its unit, and the Debian package. It builds the package and installs
// it in a copy of this machine that is thrown away: an overlay over its file system, in
// namespaces of its own. It needs root.
package deb
