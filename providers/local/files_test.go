package local

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

func TestStateThatCannotBeReadIsNotTakenForNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(`{"uid": "x`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(dir); err == nil || !strings.Contains(err.Error(), stateFile) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestPortInUseIsChosenAnew(t *testing.T) {
	listener, err := net.Listen("tcp", hostPort(0))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	pool := newPortPool()
	port := taken
	if err := pool.keepOrChoose("a", &port); err != nil || port == taken {
		t.Errorf("got port %d in use, error %v", port, err)
	}
	kept := port
	if err := pool.keepOrChoose("a", &port); err != nil || port != kept {
		t.Errorf("port moved from %d to %d although free, error %v", kept, port, err)
	}
	if err := pool.keepOrChoose("b", &port); err != nil || port == kept {
		t.Errorf("another cluster was given the reserved port %d, error %v", port, err)
	}
	pool.release("a")
	port = kept
	if err := pool.keepOrChoose("b", &port); err != nil || port != kept {
		t.Errorf("a released port was not given out: %d, error %v", port, err)
	}
}

func TestPKIIsMadeOnceAndWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	now := time.Now()
	// What a killed run left.
	if err := os.MkdirAll(dir+".unfinished", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := ensurePKI(dir, now); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ensurePKI(dir, now); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "ca.crt")); err != nil || string(after) != string(before) {
		t.Errorf("the authority was made anew, error %v", err)
	}

	pair := func(name string) *x509.Certificate {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair(caPair))
	server := x509.VerifyOptions{Roots: roots, DNSName: loopback, CurrentTime: now}
	if _, err := pair(apiServerPair).Verify(server); err != nil {
		t.Errorf("API server's certificate: %v", err)
	}
	client := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: now}
	if _, err := pair(adminPair).Verify(client); err != nil {
		t.Errorf("administrator's certificate: %v", err)
	}
	if _, err := pair(etcdClientPair).Verify(client); err == nil {
		t.Error("etcd's clients are certified by the cluster's authority, so that any user may read etcd")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files, error %v", err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, error %v; want 0600", file, info.Mode(), err)
		}
	}
}

func TestAgentTokenIsFreshUntilHalfOfItsLifeIsOver(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	token := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".sig"
	}
	issued := func(before, life time.Duration) string {
		iat := now.Add(-before).Unix()
		return token(fmt.Sprintf(`{"iat":%d,"exp":%d}`, iat, iat+int64(life.Seconds())))
	}
	tests := []struct {
		reason, token string
		want          bool
	}{
		{"new", issued(0, 24*time.Hour), true},
		{"almost half", issued(12*time.Hour-time.Second, 24*time.Hour), true},
		{"half", issued(12*time.Hour, 24*time.Hour), false},
		{"expired", issued(25*time.Hour, 24*time.Hour), false},
		{"from the future: the clock was put back", issued(-time.Hour, 24*time.Hour), false},
		{"empty file", "", false},
		{"not a token", "abc", false},
		{"not base64", "a.!.c", false},
		{"no expiry", token(`{"iat":1800000000}`), false},
		{"wrong types", token(`{"iat":"x","exp":[]}`), false},
	}
	for _, tt := range tests {
		if got := fresh(tt.token, now); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.reason, got, tt.want)
		}
	}
}

func FuzzFresh(f *testing.F) {
	f.Add("e30.eyJpYXQiOjEsImV4cCI6Mn0.sig")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if fresh(token, time.Unix(1<<40, 0)) && strings.Count(token, ".") != 2 {
			t.Errorf("%q is no token and counts as fresh", token)
		}
	})
}

func TestAgentManifests(t *testing.T) {
	agent := providers.AgentBootstrap{Manifests: agentManifests}
	m, err := withoutToken(agent)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.objects) != 4 || !strings.HasPrefix(m.digest, "sha256:") {
		t.Errorf("%d objects beside the configuration, digest %q", len(m.objects), m.digest)
	}
	secret, err := m.configurationWith(agent, "canary")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{
			"name": schemas.AgentConfigSecret, "namespace": schemas.AgentNamespace,
			"annotations": map[string]any{manifestsAnnotation: m.digest},
		},
		"data": map[string]any{"token": "Y2FuYXJ5"},
	}
	if diff := cmp.Diff(want, secret.Object); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestAgentManifestsThatCannotBeUsed(t *testing.T) {
	for reason, manifests := range map[string]string{
		"empty":            "",
		"only comments":    "# nothing\n---\n# here\n",
		"no configuration": "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n",
		"no kind":          "apiVersion: v1\nmetadata: {name: secret-canary}\n",
		"no name":          "apiVersion: v1\nkind: Secret\nstringData: {token: secret-canary}\n",
		"a list":           "- secret-canary\n",
		"broken YAML":      "token: secret-canary\n  x: [\n",
		"metadata is text": "apiVersion: v1\nkind: Secret\nmetadata: secret-canary\n",
		"two of them":      configurationOf("token: secret-canary") + "---\n" + configurationOf("token: secret-canary"),
		"data of a list":   configurationOf("token: [secret-canary]"),
	} {
		agent := providers.AgentBootstrap{Manifests: func(string) ([]byte, error) { return []byte(manifests), nil }}
		m, err := withoutToken(agent)
		if err == nil {
			_, err = m.configurationWith(agent, "secret-canary")
		}
		if err == nil {
			t.Errorf("%s: accepted", reason)
		} else if strings.Contains(err.Error(), "secret-canary") {
			t.Errorf("%s: the error shows the content: %v", reason, err)
		}
	}
}

func configurationOf(stringData string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData: {%s}\n",
		schemas.AgentConfigSecret, schemas.AgentNamespace, stringData)
}

func FuzzParseManifests(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n---\n"))
	f.Add([]byte("---\n---\n{}\n"))
	f.Fuzz(func(t *testing.T, manifests []byte) {
		objects, err := parseManifests(manifests)
		if err != nil {
			return
		}
		for _, o := range objects {
			if o.GetName() == "" || o.GetKind() == "" {
				t.Errorf("accepted an object without a name or kind: %v", o)
			}
		}
	})
}
