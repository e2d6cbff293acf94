package sync

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func signedCommit(t testing.TB, signer *Signer) []byte {
	t.Helper()
	u := update("refs/heads/desired/a", "", map[string]string{"f": "1"})
	u.Parents = []string{strings.Repeat("a", 40), strings.Repeat("b", 40)}
	u.Identity = defaultIdentity()
	raw, err := encodeCommit(signer, objectID{1}, u)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestOnlyTheSignedBytesAreTrusted(t *testing.T) {
	signer, other := newSignerT(t), newSignerT(t)
	raw := signedCommit(t, signer)
	trusted := []string{signer.PublicKey()}
	if key, err := VerifyCommit(raw, trusted); key != signer.PublicKey() || err != nil {
		t.Fatalf("%s, %v", key, err)
	}
	replace := func(old, new string) []byte {
		if !bytes.Contains(raw, []byte(old)) {
			t.Fatalf("no %q in the commit", old)
		}
		return bytes.Replace(raw, []byte(old), []byte(new), 1)
	}
	tree := "tree " + objectID{1}.String() + "\n"
	evil := "tree " + objectID{2}.String() + "\n"
	start := bytes.Index(raw, []byte("gpgsig "))
	end := bytes.Index(raw, []byte("\n\n")) + 1
	signature := string(raw[start:end])
	unsigned := string(raw[:start]) + string(raw[end:])
	cases := map[string][]byte{
		"empty":                     nil,
		"unsigned":                  []byte(unsigned),
		"other key":                 signedCommit(t, other),
		"another tree":              replace(tree, evil),
		"second tree after":         replace(tree, tree+evil),
		"second tree before":        replace(tree, evil+tree),
		"tree at the end":           replace("\n\n", "\n"+evil+"\n"),
		"a parent more":             replace("author ", "parent "+strings.Repeat("c", 40)+"\nauthor "),
		"a parent less":             replace("parent "+strings.Repeat("b", 40)+"\n", ""),
		"parent after author":       replace("committer ", "parent "+strings.Repeat("c", 40)+"\ncommitter "),
		"second author":             replace("committer ", "author x <y> 1 +0000\ncommitter "),
		"second committer":          replace("gpgsig ", "committer x <y> 1 +0000\ngpgsig "),
		"second signature":          []byte(string(raw[:end]) + signature + string(raw[end:])),
		"foreign signature first":   []byte(string(raw[:start]) + "gpgsig x\n" + string(raw[start:])),
		"signature for SHA-256":     replace("gpgsig ", "gpgsig-sha256 "),
		"unknown header":            replace("gpgsig ", "encoding x\ngpgsig "),
		"unknown header after":      replace("\n\n", "\nmergetag x\n\n"),
		"continued committer":       replace("gpgsig ", " more\ngpgsig "),
		"signature before author":   []byte(strings.Replace(unsigned, "author ", signature+"author ", 1)),
		"signature in the message":  []byte(unsigned + signature),
		"message changed":           append(bytes.Clone(raw), '!'),
		"NUL in the message":        replace("test:", "te\x00st:"),
		"no end of headers":         raw[:end],
		"text before the signature": replace("gpgsig -----BEGIN", "gpgsig x\n -----BEGIN"),
		"text after the signature":  replace("-----END SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n x\n"),
		"header in the signature":   replace("-----BEGIN SSH SIGNATURE-----\n", "-----BEGIN SSH SIGNATURE-----\n A: b\n \n"),
		"PGP":                       []byte(strings.ReplaceAll(string(raw), "SSH SIGNATURE", "PGP SIGNATURE")),
		"carriage returns":          []byte(strings.ReplaceAll(string(raw), "\n", "\r\n")),
		"upper-case tree":           replace(tree, strings.ToUpper(tree)),
	}
	for name, data := range cases {
		if key, err := VerifyCommit(data, trusted); key != "" || !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: key %q, error %v", name, key, err)
		}
	}
	for name, keys := range map[string][]string{"no keys": nil, "garbage": {"x", ""}, "other key": {other.PublicKey()}} {
		if _, err := VerifyCommit(raw, keys); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signature that the same key made for something else does not sign a commit.
func TestForeignSSHSignaturesAreRefused(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string]struct{ keygen, sign []string }{
		"file namespace": {[]string{"-t", "ed25519"}, []string{"-n", "file"}},
		"sha256":         {[]string{"-t", "ed25519"}, []string{"-n", "git", "-O", "hashalg=sha256"}},
		"ecdsa":          {[]string{"-t", "ecdsa"}, []string{"-n", "git"}},
		"git":            {[]string{"-t", "ed25519"}, []string{"-n", "git"}},
	} {
		key := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		run(t, "", "ssh-keygen", append([]string{"-q", "-N", "", "-f", key}, args.keygen...)...)
		payload := "tree " + objectID{1}.String() + "\nauthor a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nx\n"
		sig := run(t, payload, "ssh-keygen", append([]string{"-q", "-Y", "sign", "-f", key}, args.sign...)...)
		header := "gpgsig " + strings.ReplaceAll(strings.TrimSpace(sig), "\n", "\n ") + "\n"
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		_, err = VerifyCommit([]byte(strings.Replace(payload, "\n\n", "\n"+header+"\n", 1)), []string{string(public)})
		if name == "git" && err != nil || name != "git" && !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

func TestSignerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	keys := make(chan string, 8)
	for range cap(keys) {
		go func() {
			signer, err := LoadOrCreateSigner(path, rand.Reader)
			if err != nil {
				t.Error(err)
				keys <- ""
				return
			}
			keys <- signer.PublicKey()
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if key := <-keys; key != first {
			t.Errorf("two keys: %s and %s", first, key)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if got := run(t, "", "ssh-keygen", "-y", "-f", path); strings.TrimSpace(got) != first {
		t.Errorf("ssh-keygen reads %s, want %s", got, first)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateSigner(path, rand.Reader); err == nil {
		t.Error("a key that everyone may read was accepted")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	const canary = "canary-c0ffee"
	writeFile(t, path, canary)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateSigner(path, rand.Reader); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a broken key was replaced or shown: %v", err)
	}
	if _, err := LoadOrCreateSigner(filepath.Join(path, "x"), rand.Reader); err == nil {
		t.Error("a key was made below a file")
	}
}

func FuzzVerifyCommit(f *testing.F) {
	signer := newSignerT(f)
	raw := signedCommit(f, signer)
	f.Add(raw)
	f.Add([]byte("tree x\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := VerifyCommit(data, []string{signer.PublicKey()})
		if err == nil && !bytes.Equal(payloadOf(data), payloadOf(raw)) {
			t.Errorf("trusted: %q", data)
		}
		if err != nil && !errors.Is(err, ErrUntrusted) {
			t.Errorf("%v", err)
		}
	})
}

// payloadOf drops the signature the simple way, line by line.
func payloadOf(raw []byte) []byte {
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	var kept []byte
	for line := range bytes.Lines(head) {
		if !bytes.HasPrefix(line, []byte("gpgsig")) && !bytes.HasPrefix(line, []byte(" ")) {
			kept = append(kept, bytes.TrimSuffix(line, []byte("\n"))...)
			kept = append(kept, '\n')
		}
	}
	return append(append(kept, '\n'), message...)
}
