package admin

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// whoAndWhat are all sorts of callers, and of subjects that make a difference to them.
func whoAndWhat() (callers []*caller, names []string, subjects func(*caller) map[string][]subject) {
	admin := &caller{account: 1, name: "alice@one.test", domains: []string{"one.test", "uno.test"}}
	callers = []*caller{admin, {account: 2, name: "bob@one.test"}, {}}
	names = []string{"theirs", "own", "beyond", "foreign", "to-foreign", "to-outside", "nothing"}
	return callers, names, func(c *caller) map[string][]subject {
		mine := subject{name: "carol@one.test", domain: "one.test", account: 3}
		return map[string][]subject{
			"theirs":     {mine},
			"own":        {{name: c.name, domain: "one.test", account: c.account, administer: c.domains}},
			"beyond":     {mine, {name: "dave@one.test", domain: "one.test", account: 4, administer: []string{"one.test", "two.test"}}},
			"foreign":    {mine, {name: "erin@two.test", domain: "two.test"}},
			"to-foreign": {mine, {name: "erin@two.test", domain: "two.test", target: true, ours: true}},
			"to-outside": {mine, {name: "erin@elsewhere.test", domain: "elsewhere.test", target: true}},
			"nothing":    nil,
		}
	}
}

// TestTableOfAccess: what every operation allows to everybody, as a file that can be read.
// Every route must be in it; one that nobody has decided on fails.
func TestTableOfAccess(t *testing.T) {
	callers, names, subjects := whoAndWhat()
	var table strings.Builder
	fmt.Fprintf(&table, "# What may be done by an admin of a domain | by any other account, to: %s.\n", strings.Join(names, " "))
	fmt.Fprintf(&table, "# + granted, x denied, ! denied because the subject has more rights, . as if it were not there.\n\n")
	for _, path := range newAdmin(t).operations().paths {
		need := rightTo(path)
		if need == undecided {
			t.Errorf("%s: nobody has decided who may do this; put it into rightTo (access.go)", path)
		}
		row := fmt.Sprintf("%-28s", path)
		for _, c := range callers {
			for _, name := range names {
				v, _ := decide(c, need, subjects(c)[name])
				if v == granted && c.account == 0 {
					t.Errorf("%s is granted to nobody in particular", path)
				}
				if v == granted && need != toAdmins && need != toAll && (strings.HasSuffix(name, "foreign") || name == "nothing") {
					t.Errorf("%s is granted to %s about %s", path, c.name, name)
				}
				if c.account != 0 {
					row += string("x.!+"[v])
				}
			}
			row += " "
		}
		fmt.Fprintln(&table, strings.TrimRight(row, " "))
		if v, _ := decide(&caller{operator: true}, need, nil); v != granted {
			t.Errorf("%s is not granted to the operator", path)
		}
	}
	const file = "testdata/access.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != table.String() {
		t.Errorf("%s: %v; read it, and run with -update if this is right:\n%s", file, err, &table)
	}
}

// TestUnknownOperation: what is not in the table is nobody's but the operator's.
func TestUnknownOperation(t *testing.T) {
	callers, names, subjects := whoAndWhat()
	for _, c := range callers {
		for _, name := range names {
			if v, _ := decide(c, rightTo("no/such"), subjects(c)[name]); v != denied {
				t.Errorf("%s, %s: %v", c.name, name, v)
			}
		}
	}
}

// TestServerAccounts: nobody but the operator touches accounts with rights everywhere,
// but their owners.
func TestServerAccounts(t *testing.T) {
	root := subject{name: "root@one.test", domain: "one.test", account: 9, everywhere: true}
	admin := &caller{account: 1, domains: []string{"one.test"}}
	for need, want := range map[right]verdict{toSee: granted, toChange: beyond, toOwn: beyond} {
		if v, _ := decide(admin, need, []subject{root}); v != want {
			t.Errorf("right %d: %v, want %v", need, v, want)
		}
	}
	if v, _ := decide(&caller{account: 9}, toOwn, []subject{root}); v != granted {
		t.Errorf("its owner: %v", v)
	}
}
