package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const version = "0.0.1~test"

// build makes the package once for all tests.
func build(t *testing.T) string {
	t.Helper()
	c := exec.Command("contrib/debian/build")
	c.Dir = "../.."
	c.Env = append(os.Environ(), "VERSION="+version, "GOFLAGS=-buildvcs=false")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	arch := strings.TrimSpace(run(t, "dpkg", "--print-architecture"))
	file, err := filepath.Abs("../../bin/posthorn_" + version + "_" + arch + ".deb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	return file
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPackage: what is in the package, what it does to a machine, and what it leaves alone.
func TestPackage(t *testing.T) {
	file := build(t)
	contents := run(t, "dpkg-deb", "--contents", file)
	for _, want := range []string{
		"./usr/bin/posthorn", "./usr/lib/systemd/system/posthorn.service", "./usr/lib/sysusers.d/posthorn.conf",
		"./usr/share/doc/posthorn/copyright", "./usr/share/doc/posthorn/examples/posthorn.json",
	} {
		if !strings.Contains(contents, want+"\n") {
			t.Errorf("no %s in\n%s", want, contents)
		}
	}
	for line := range strings.Lines(contents) {
		if !strings.Contains(line, " root/root ") {
			t.Errorf("not root's: %s", line)
		}
	}
	if os.Getuid() != 0 {
		t.Fatal("installing it needs root")
	}
	out := inCopy(t, file, `
set -ex
dpkg --install --force-depends /package.deb
[ "$(stat -c '%U %a' /var/lib/posthorn)" = "posthorn 700" ]
[ "$(getent passwd posthorn | cut -d: -f7)" = /usr/sbin/nologin ]
runuser -u posthorn -- posthorn init --dir /var/lib/posthorn --domain example.test --bind 127.0.0.1
echo "# mine" >>/var/lib/posthorn/posthorn.toml
sum=$(md5sum /var/lib/posthorn/posthorn.toml /var/lib/posthorn/key.pem)
dpkg --install --force-depends /package.deb
[ "$sum" = "$(md5sum /var/lib/posthorn/posthorn.toml /var/lib/posthorn/key.pem)" ]

# Started by root it opens its ports and becomes posthorn.
ip link set lo up
sed -i 's/^# user = "posthorn"/user = "posthorn"/' /var/lib/posthorn/posthorn.toml
posthorn serve --config /var/lib/posthorn/posthorn.toml --pid-file /var/lib/posthorn/pid 2>/tmp/log &
for i in $(seq 300); do [ -e /var/lib/posthorn/pid ] && break; sleep 0.1; done
cat /tmp/log
[ "$(stat -c %U /proc/$(cat /var/lib/posthorn/pid))" = posthorn ]
grep -q '^CapEff:.0000000000000000$' /proc/$(cat /var/lib/posthorn/pid)/status
exec 3<>/dev/tcp/127.0.0.1/993
kill $(cat /var/lib/posthorn/pid)
wait

dpkg --remove posthorn
dpkg --purge posthorn
[ -e /var/lib/posthorn/posthorn.toml ] && [ -d /var/lib/posthorn/data ]
[ ! -e /usr/bin/posthorn ]
echo all is well
`)
	if !strings.HasSuffix(out, "all is well\n") {
		t.Errorf("%s", out)
	}
}

// inCopy runs a script in a copy of this machine, without a network.
func inCopy(t *testing.T, file, script string) string {
	t.Helper()
	dir := t.TempDir()
	outer := `
set -e
mount -t tmpfs none ` + dir + `
cd ` + dir + `
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cp "$1" root/package.deb
mount -t proc proc root/proc
mount --rbind /dev root/dev
rm -rf root/run/systemd root/var/lib/posthorn
exec chroot root /bin/bash -c "$2"
`
	out, err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "/bin/bash", "-c", outer, "bash", file, script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestUnit: systemd understands the units, and finds the service well protected.
func TestUnit(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"posthorn.service", "posthorn.socket"} {
		text, err := os.ReadFile("../../contrib/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.ReplaceAll(string(text), "/usr/bin/posthorn", "/bin/true") // it is not installed here
		if err := os.WriteFile(filepath.Join(dir, name), []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", filepath.Join(dir, "posthorn.service"), filepath.Join(dir, "posthorn.socket"))
	out, err := c.CombinedOutput()
	own := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return !strings.Contains(line, "posthorn") })
	if err != nil || len(own) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// Of 10, 0 being the best: what listens on the network and writes a store stays below 2.
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", filepath.Join(dir, "posthorn.service")).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
