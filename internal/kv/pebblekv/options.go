package pebblekv

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/fault"
)

// Options are what an operator or a test may want different. The zero value is
// good for a mail server.
type Options struct {
	Logger *slog.Logger // nil: slog.Default()
	// CacheSize is how many bytes of blocks read are kept in memory; 0: 128 MB.
	CacheSize int64
	// MemTableSize is the size of a memtable and of its log; 0: 32 MB. They begin
	// at 256 KB and double, so an idle server does not pay for it.
	MemTableSize uint64
	// Reserve is how many bytes of the disk are left free; 0: six memtables, that
	// is 192 MB. With less than that, Update fails with fault.StorageFull. Up to
	// four memtables are what a restart on the full disk may need to put the log
	// into tables; with less it would have to wait.
	Reserve uint64
	// FreeSpace tells how many bytes of the disk are free; nil: ask the system.
	FreeSpace func() (uint64, error)
	// Fatal is called when the log cannot be written and the process must end,
	// after that is logged; nil: os.Exit(1).
	Fatal func(error)
	// FS is the file system; nil: the operating system's.
	FS vfs.FS
}

func (o Options) withDefaults(dir string) Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CacheSize == 0 {
		o.CacheSize = 128 << 20
	}
	if o.MemTableSize == 0 {
		o.MemTableSize = 32 << 20
	}
	if o.Reserve == 0 {
		o.Reserve = 6 * o.MemTableSize
	}
	if o.Fatal == nil {
		o.Fatal = func(error) { os.Exit(1) }
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.FreeSpace == nil {
		fs := o.FS
		o.FreeSpace = func() (uint64, error) {
			usage, err := fs.GetDiskUsage(dir)
			return usage.AvailBytes, err
		}
	}
	return o
}

// Open opens the database in a directory, which is made if need be. While it is
// open, no other process can open it: they get fault.InUse. If the disk is so full
// that the log cannot be put into tables, Open waits for space and logs that.
func Open(dir string, o Options) (*Engine, error) {
	o = o.withDefaults(dir)
	e := &Engine{log: o.Logger, shards: newShardTable()}
	e.space = newSpace(o)
	e.fatal = func(err error) {
		e.log.Error("the store has failed", "error", err)
		o.Fatal(err)
	}
	db, err := pebble.Open(dir, e.pebbleOptions(o))
	switch {
	case err != nil && (errors.Is(err, syscall.EAGAIN) || strings.Contains(err.Error(), lockedByUs)):
		return nil, fault.New(fault.InUse, "pebblekv: %s is open in another process: %w", dir, err)
	case err != nil:
		return nil, storageError(err)
	}
	e.db, e.snapshots.db = db, db
	return e, nil
}

// lockedByUs is how Pebble says that the directory is open in this very process.
const lockedByUs = "lock held by current process"

// separateFrom is the size from which a value is stored apart from its key, in a
// file that is not written again by every compaction. That halves what is written
// for a mailbox of small messages.
const separateFrom = 2 << 10

func (e *Engine) pebbleOptions(o Options) *pebble.Options {
	log := logger{e}
	p := &pebble.Options{
		FS:                          o.FS,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		Logger:                      log,
		EventListener:               log.events(),
		CacheSize:                   o.CacheSize,
		MaxOpenFiles:                1000,
		MemTableSize:                o.MemTableSize,
		MemTableStopWritesThreshold: 4, // Options.Reserve depends on it
		// Bursts go to L0 and are sorted out later, rather than stopping writers; not after
		// each flush, which adds little to what has to be written again with it.
		L0CompactionThreshold:      10,
		L0StopWritesThreshold:      200,
		LBaseMaxBytes:              512 << 20,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 2 },
	}
	// Sizes of tables and levels count the values that they refer to. The usual ones
	// would make thousands of tables of a few messages, and a level more than needed.
	for i := range p.TargetFileSizes {
		p.TargetFileSizes[i] = min(int64(32<<20)<<i, 128<<20)
	}
	p.WALMinSyncInterval = e.pace.interval
	p.WithFSDefaults() // watches for slow operations
	p.FS = patientFS{p.FS, e.space}
	p.Experimental.CompactionScheduler = newScheduler(e.space)
	// Mail is mostly read once. A compaction because of it costs as much as it did, and
	// comes while somebody waits.
	p.Experimental.ReadSamplingMultiplier = -1
	p.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:     true,
			MinimumSize: separateFrom,
			// Compactions leave values where they are until a table refers to so many
			// files: bodies are read one by one, so it matters little how many. A flush
			// adds one to each table; beyond the limit a compaction writes all bodies
			// anew that its tables refer to. Each reference takes 16 bytes of memory.
			MaxBlobReferenceDepth: 512,
			RewriteMinimumAge:     5 * time.Minute,
			TargetGarbageRatio:    0.2,
		}
	}
	for i := range p.Levels {
		level := &p.Levels[i]
		level.BlockSize = 16 << 10
		level.IndexBlockSize = 64 << 10
		level.FilterPolicy = bloom.FilterPolicy(10)
	}
	// Files of values are written by flushes, which go by level 0: a block holds a few
	// bodies, which are mostly read one after the other.
	p.Levels[0].BlockSize = 32 << 10
	p.ApplyCompressionSettings(compression)
	return p
}

// compression is none for what is soon written again (level 0) and for values stored
// apart: they are bodies, of which half are base64 or packed already, and of which
// each read would pay for what was saved.
func compression() pebble.DBCompressionSettings {
	records := *block.FastestCompression // keeps its name, which Pebble notes in its OPTIONS file
	records.ValueBlocks = block.NoCompression.ValueBlocks
	settings := pebble.UniformDBCompressionSettings(&records)
	settings.Levels[0] = block.NoCompression
	return settings
}
