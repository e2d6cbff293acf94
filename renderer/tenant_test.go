package renderer_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/rand"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

// tenantWith is a repository whose tenant.yaml lists these keys.
func tenantWith(keys ...string) fstest.MapFS {
	source := repository()
	document := "apiVersion: branchline.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme}\nspec:\n  trustedKeys:\n"
	for _, key := range keys {
		document += "  - '" + key + "'\n"
	}
	source["tenant.yaml"] = text(document)
	return source
}

// publicKey makes the line of an ed25519 key from a byte.
func publicKey(t *testing.T, seed byte) string {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return keyLine(t, private.Public())
}

func keyLine(t *testing.T, public any) string {
	t.Helper()
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func messages(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var problems schemas.Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []string
	for _, problem := range problems {
		lines = append(lines, problem.Error())
	}
	return lines
}

// TestTrustedKeysKeepTheTenantIn covers keys that agents could not use, and
// lists that would make them refuse all that comes.
func TestTrustedKeysKeepTheTenantIn(t *testing.T) {
	t.Parallel()
	own, other := publicKey(t, 1), publicKey(t, 2)
	rsaKey, err := rsa.GenerateKey(rand.New(rand.NewSource(1)), 2048)
	if err != nil {
		t.Fatal(err)
	}
	const notAKey = `is not a public key; write "ssh-ed25519 AAAA…" as it stands in the .pub file that ssh-keygen -t ed25519 writes`
	lockedOut := `tenant.yaml:5:3: spec.trustedKeys: the key that signs what is rendered here is not in the list, so the clusters would accept nothing any more; add "` + own + `", or remove the list`
	cases := []struct {
		reason string
		source fstest.MapFS
		ownKey string
		want   []string
	}{
		{"no list", repository(), own, nil},
		{"empty list", edit(repository(), "tenant.yaml", "{name: acme}", "{name: acme}, spec: {trustedKeys: []}"), own, nil},
		{"own key", tenantWith(other, own), own, nil},
		{"own key with a comment", tenantWith(own + " hub of acme"), own + " another comment\n", nil},
		{"own key is not known", tenantWith(other), "", nil},
		{"own key is missing", tenantWith(other), own, []string{lockedOut}},
		{"not a key", tenantWith(own, "ssh-ed25519 AAAA"), own, []string{`tenant.yaml:7:5: spec.trustedKeys[1]: ` + notAKey}},
		{"empty", tenantWith(own, ""), own, []string{`tenant.yaml:7:5: spec.trustedKeys[1]: ` + notAKey}},
		{"comment", tenantWith(own, "# "+other), own, []string{`tenant.yaml:7:5: spec.trustedKeys[1]: ` + notAKey}},
		{"own key with a mistake", tenantWith(own[:len(own)-8]), own, []string{lockedOut, `tenant.yaml:6:5: spec.trustedKeys[0]: ` + notAKey}},
		{"RSA", tenantWith(own, keyLine(t, &rsaKey.PublicKey)), own, []string{
			`tenant.yaml:7:5: spec.trustedKeys[1]: is a key of type ssh-rsa; only ssh-ed25519 is accepted, which ssh-keygen -t ed25519 makes`}},
		{"options", tenantWith(own, "no-pty,from=\"10.0.0.1\" "+other), own, []string{
			`tenant.yaml:7:5: spec.trustedKeys[1]: has options before the key (no-pty,from="10.0.0.1"), which would have no effect; remove them`}},
		{"two keys in one", tenantWith(own, other+"\n\n    "+own), own, []string{
			`tenant.yaml:7:5: spec.trustedKeys[1]: holds several lines; write one key an entry`}},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			in := input(c.source)
			in.OwnKey = c.ownKey
			_, err := renderer.Render(t.Context(), in)
			if diff := cmp.Diff(c.want, messages(t, err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTenantIsTheOneOfTheRepository(t *testing.T) {
	t.Parallel()
	in := input(repository())
	in.Tenant = "acme"
	if _, err := renderer.Render(t.Context(), in); err != nil {
		t.Error(err)
	}
	in.Tenant = "globex"
	// Clusters of the other name would only say the same again.
	in.Previous = map[string]schemas.DesiredCluster{"one": {Spec: schemas.DesiredClusterSpec{Tenant: "globex", UID: "u"}}}
	_, err := renderer.Render(t.Context(), in)
	want := []string{`tenant.yaml:1:70: metadata.name: this repository belongs to the tenant "globex"; write that name instead of "acme"`}
	if diff := cmp.Diff(want, messages(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
