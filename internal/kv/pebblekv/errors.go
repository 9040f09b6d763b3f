package pebblekv

import (
	"context"
	"errors"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"posthorn/internal/fault"
)

// storageError gives an error of Pebble its kind; nil stays nil.
func storageError(err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err):
		return fault.New(fault.Corrupt, "pebblekv: %w", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.StorageFull, "pebblekv: %w", err)
	default:
		return fault.New(fault.Unavailable, "pebblekv: %w", err)
	}
}

func canceled(ctx context.Context) error {
	return fault.New(fault.Canceled, "pebblekv: %w", context.Cause(ctx))
}
