package pebblekv

import "github.com/cockroachdb/pebble/v2/vfs"

// logFile is a file of the log that is longer than what is written to it. A sync of a
// file that has grown writes its inode, too, and on many file systems a journal: the
// longest part of a small commit. So the file grows by zeros, in steps of many commits.
// Pebble takes zeros for the log's end, as it uses old logs again.
type logFile struct {
	vfs.File
	at   int64 // of the next write
	size int64
}

// zeros are what a log grows by.
var zeros [256 << 10]byte

// newLogFile is for a file that is written from its beginning.
func newLogFile(f vfs.File) vfs.File {
	if f.Fd() == vfs.InvalidFd { // in memory, where nothing is gained
		return f
	}
	info, err := f.Stat()
	if err != nil {
		return f
	}
	return &logFile{File: f, size: info.Size()}
}

func (f *logFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.at += int64(n)
	if err == nil && f.at > f.size {
		f.size = f.at + int64(len(zeros))
		// Without zeros, on a full disk, the log is as good, only slower.
		_, _ = f.File.WriteAt(zeros[:], f.at)
	}
	return n, err
}
