package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// program is PostgreSQL as installed on this machine.
type program struct {
	initdb, postgres string
	version          string              // "postgres (PostgreSQL) 15.14 …"
	as               *syscall.Credential // whom to run it as; nil: as ourselves
}

func findProgram() (program, error) {
	// Debian keeps the server's programs out of the PATH, one directory a version.
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return majorOf(a) - majorOf(b) })
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return program{}, errors.New("pgtest: PostgreSQL's initdb and postgres are neither in /usr/lib/postgresql/*/bin nor in the PATH: run `make deps`")
	}
	p := program{initdb: found[len(found)-1]}
	p.postgres = filepath.Join(filepath.Dir(p.initdb), "postgres")
	version, err := exec.Command(p.postgres, "--version").Output()
	if err != nil {
		return program{}, fmt.Errorf("pgtest: %s --version: %w: run `make deps`", p.postgres, err)
	}
	p.version = strings.TrimSpace(string(version))
	p.as, err = unprivileged()
	return p, err
}

func majorOf(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// unprivileged is somebody else if we are root, as whom PostgreSQL refuses to run.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("pgtest: root must not run PostgreSQL, and there is no user postgres or nobody to run it as")
}

// own gives a file to the user that PostgreSQL runs as.
func (p program) own(path string) error {
	if p.as == nil {
		return nil
	}
	return os.Lchown(path, int(p.as.Uid), int(p.as.Gid))
}

// newCluster makes a directory for a server, with an initialised data directory in
// it: a copy of one that was made before, because initdb takes a second.
func newCluster(p program) (dir string, err error) {
	removeAbandoned()
	// The path of a Unix socket has room for 107 bytes; a test's own temporary
	// directory would be longer.
	if dir, err = os.MkdirTemp("/tmp", "pgtest"); err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	if err := errors.Join(p.own(dir), occupy(dir)); err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	data, template := filepath.Join(dir, "data"), templatePath(p)
	if template != "" {
		if err := copyTree(p, template, data); err == nil {
			return dir, nil
		}
		os.RemoveAll(data)
	}
	if err := initdb(p, data); err != nil {
		return "", err
	}
	if template != "" {
		keepTemplate(data, template)
	}
	return dir, nil
}

func initdb(p program, data string) error {
	cmd := exec.Command(p.initdb, "--pgdata", data, "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	cmd.Dir = filepath.Dir(data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// templatePath is where an initialised data directory is kept between test runs;
// empty if this user has no cache directory.
func templatePath(p program) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	version := strings.NewReplacer(" ", "_", "/", "_").Replace(p.version)
	return filepath.Join(cache, "posthorn-pgtest", version)
}

// keepTemplate keeps a copy of data for the next time. That may fail: the next
// time takes a second longer.
func keepTemplate(data, template string) {
	if os.MkdirAll(filepath.Dir(template), 0o700) != nil {
		return
	}
	draft, err := os.MkdirTemp(filepath.Dir(template), "draft")
	if err != nil {
		return
	}
	defer os.RemoveAll(draft)
	full := filepath.Join(draft, "data")
	if copyTree(program{}, data, full) == nil {
		// Whoever comes first wins; a directory that is there is not replaced.
		_ = os.Rename(full, template)
	}
}

func copyTree(p program, from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if err := os.Chmod(path, 0o700); err != nil { // the server insists
				return err
			}
		}
		return p.own(path)
	})
}
