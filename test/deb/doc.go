// Package deb builds the Debian package and installs it, in a copy of this machine that
// is thrown away: an overlay over its file system, in namespaces of its own. It needs root.
package deb
