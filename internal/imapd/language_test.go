package imapd

import "testing"

// What the store and the directory have to say is said in every language.
func TestLanguagesAreComplete(t *testing.T) {
	for _, l := range languages {
		for kind, r := range replies {
			if l.words != nil && l.words[r.words] == "" {
				t.Errorf("%s has no words for %v: %s", l.tag, kind, r.words)
			}
		}
	}
}

// A quirk names extensions that there are, commands belong to some.
func TestExtensionCommands(t *testing.T) {
	offered := map[string]bool{}
	for _, c := range capabilities {
		offered[c.name] = true
	}
	for name, list := range extensionCommands {
		if !offered[name] {
			t.Errorf("%s is not offered", name)
		}
		for _, command := range list {
			if _, ok := commands[command]; !ok {
				t.Errorf("%s: there is no command %s", name, command)
			}
		}
	}
}
