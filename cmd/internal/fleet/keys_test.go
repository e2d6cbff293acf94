package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"branchline.dev/branchline/schemas"
)

func TestTrustedKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := newSigner(t, 1).PublicKey(), newSigner(t, 2).PublicKey()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		reason string
		values []string
		want   []string
		err    string
	}{
		{"none", nil, nil, ""},
		{"a key with a comment", []string{one + " hub, number one"}, []string{one}, ""},
		{"a file", []string{file("two keys", "# hubs\n\n"+one+" a\r\n"+two)}, []string{one, two}, ""},
		{"both", []string{two, file("one", one)}, []string{two, one}, ""},
		{"a file without keys is no wildcard", []string{file("none", "# soon\n")}, nil, "holds no key"},
		{"nothing is no wildcard", []string{""}, nil, "reading trusted keys"},
		{"a file that is not there", []string{filepath.Join(dir, "missing")}, nil, "missing"},
		{"a line that is no key", []string{file("bad", one+"\nssh-ed25519 AAAA\n")}, nil, "bad:2: it is no public key"},
		{"a cut-off key", []string{one[:40]}, nil, "it is no public key"},
		{"a key of another type", []string{file("ecdsa", string(ssh.MarshalAuthorizedKey(other)))}, nil, "ecdsa:1: it is of type ecdsa-sha2-nistp256"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			got, err := TrustedKeys(tt.values)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// A server that makes up everything can make up the keys too. Keys that a person
// names end that.
func TestTrustedKeysStopAServerThatFakesEverything(t *testing.T) {
	fake := newWorld(t)
	fake.renderer, fake.agent = newSigner(t, 8), newSigner(t, 9)
	genuine := newSigner(t, 1).PublicKey()
	fake.desired.Spec.TrustedKeys = []string{fake.renderer.PublicKey(), genuine}
	fake.infra.Status.AgentPublicKey = fake.agent.PublicKey()
	fake.publish()
	tests := []struct {
		reason string
		keys   []string
		want   State
	}{
		{"no keys named", nil, StateReady},
		{"the genuine key", []string{genuine}, StateUntrusted},
		{"one of two", []string{genuine, fake.renderer.PublicKey()}, StateReady},
	}
	for _, tt := range tests {
		clusters, err := Read(t.Context(), OnDisk{fake.repository}, now, tt.keys...)
		if err != nil || clusters[0].State != tt.want || tt.want == StateUntrusted && clusters[0].Desired != 0 {
			t.Errorf("%s: %+v, %v, want %s", tt.reason, clusters, err, tt.want)
		}
	}
}

// The keys that a person names vouch for the manifest, and the manifest for
// those that sign statuses: so a second hub needs no change on each desk.
func TestTrustedKeysVouchForTheKeysOfTheManifest(t *testing.T) {
	w := newWorld(t)
	second := newSigner(t, 4)
	w.desired.Spec.TrustedKeys = []string{w.renderer.PublicKey(), second.PublicKey()}
	w.publish()
	w.write(schemas.InfraStatusRef("dev"), schemas.StatusFile, second, w.infra, now)
	clusters, err := Read(t.Context(), OnDisk{w.repository}, now, w.renderer.PublicKey())
	if err != nil || clusters[0].State != StateReady {
		t.Errorf("clusters %+v, error %v", clusters, err)
	}
}
