//go:build !linux

package service

// Relax does nothing here.
func Relax() {}
