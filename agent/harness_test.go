package agent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

const (
	testTenant  = "acme"
	testCluster = "shop"
	tokenCanary = "canary-token-1f0e"
)

// renderer signs desired commits, as a hub would.
type renderer struct {
	signer ssh.Signer
	public string
}

func newRenderer(t testing.TB) renderer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return renderer{signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
}

// sign gives a raw commit over files, by way of a made-up tree name: that files
// fit the tree is checked by package sync.
func (r renderer) sign(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	sum := sha1.Sum([]byte(schemas.LayerDigest(files)))
	headers := "tree " + hex.EncodeToString(sum[:]) + "\n" +
		"author branchline <noreply@branchline.dev> 1700000000 +0000\n" +
		"committer branchline <noreply@branchline.dev> 1700000000 +0000\n"
	message := "\ndesired state\n"
	if r.signer == nil {
		return []byte(headers + message)
	}
	signature, err := sshsig.Sign(strings.NewReader(headers+message), r.signer, sshsig.HashSHA512, "git")
	if err != nil {
		t.Fatal(err)
	}
	armor := strings.TrimSpace(string(sshsig.Armor(signature)))
	return []byte(headers + "gpgsig " + strings.ReplaceAll(armor, "\n", "\n ") + "\n" + message)
}

func (r renderer) snapshot(t testing.TB, files map[string][]byte) *sync.Snapshot {
	t.Helper()
	raw := r.sign(t, files)
	sum := sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(raw), raw))
	return &sync.Snapshot{Ref: schemas.DesiredRef(testCluster), Commit: hex.EncodeToString(sum[:]), Raw: raw, Files: files}
}

// layerOf describes a layer of a test: its objects by file name.
type layerOf struct {
	name      string
	dependsOn []string
	drift     schemas.DriftPolicy
	namespace string
	first     []string
	objects   map[string]string
}

// desiredState builds the files of a desired branch.
type desiredState struct {
	uid        string
	generation int64
	keys       []string
	approvals  []string
	tombstone  *schemas.Tombstone
	layers     []layerOf
	change     func(*schemas.DesiredCluster) // before the digest is made
	tamper     func(map[string][]byte)       // after everything
}

func (d desiredState) files(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	manifest := schemas.DesiredCluster{
		TypeMeta: schemas.TypeMeta{APIVersion: schemas.APIVersion, Kind: schemas.KindDesiredCluster},
		Metadata: schemas.Metadata{Name: testCluster},
		Spec: schemas.DesiredClusterSpec{
			Tenant: testTenant, UID: d.uid, Generation: d.generation, Source: schemas.SourceRef{Commit: strings.Repeat("a", 40)},
			Renderer: "test", TrustedKeys: d.keys, Approvals: schemas.Approvals{Deletions: d.approvals}, Tombstone: d.tombstone,
			Layers: []schemas.DesiredLayer{},
		},
	}
	for i, layer := range d.layers {
		path := fmt.Sprintf("%s/%02d-%s", schemas.LayersDir, i*10, layer.name)
		own := map[string][]byte{}
		for file, content := range layer.objects {
			own[file] = []byte(content)
			files[path+"/"+file] = []byte(content)
		}
		drift := layer.drift
		if drift == "" {
			drift = schemas.DriftHeal
		}
		manifest.Spec.Layers = append(manifest.Spec.Layers, schemas.DesiredLayer{
			Name: layer.name, Kind: schemas.LayerAddon, Path: path, Profile: "p@1", Pack: "p@1", DependsOn: layer.dependsOn,
			Namespace: layer.namespace, Objects: len(own), Digest: schemas.LayerDigest(own), First: layer.first,
			Policy: schemas.Policy{Drift: drift},
		})
		manifest.Spec.Objects += len(own)
	}
	if d.change != nil {
		d.change(&manifest)
	}
	manifest.Spec.Digest = manifest.Spec.ComputeDigest()
	encoded, err := schemas.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	files[schemas.DesiredClusterFile] = encoded
	if d.tamper != nil {
		d.tamper(files)
	}
	return files
}

// branch is a repository in memory with one desired and one status ref.
type branch struct {
	mu       gosync.Mutex
	snapshot *sync.Snapshot
	err      error
	tip      string
	statuses []schemas.AgentStatusBody
	looks    int    // at the desired ref
	raw      []byte // every byte of status that was ever pushed
}

func (b *branch) set(snapshot *sync.Snapshot, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshot, b.err = snapshot, err
}

// Fetch is part of Repository.
func (b *branch) Fetch(_ context.Context, ref, known string) (*sync.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ref == schemas.AgentStatusRef(testCluster) {
		if b.tip == "" {
			return nil, sync.ErrRefNotFound
		}
		return &sync.Snapshot{Ref: ref, Commit: b.tip}, nil
	}
	b.looks++
	switch {
	case b.err != nil:
		return nil, b.err
	case b.snapshot == nil:
		return nil, fmt.Errorf("fetch: %w", sync.ErrRefNotFound)
	case b.snapshot.Commit == known:
		return &sync.Snapshot{Ref: b.snapshot.Ref, Commit: known, Unchanged: true}, nil
	}
	return b.snapshot, nil
}

// Push is part of Repository.
func (b *branch) Push(_ context.Context, _ *sync.Signer, update sync.Update) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if update.Expect != b.tip {
		return "", sync.ErrConflict
	}
	var status schemas.AgentStatus
	if err := schemas.Unmarshal(update.Files[schemas.StatusFile], &status); err != nil {
		return "", err
	}
	sum := sha1.Sum(update.Files[schemas.StatusFile])
	b.tip = hex.EncodeToString(sum[:])
	b.statuses = append(b.statuses, status.Status)
	b.raw = append(b.raw, update.Files[schemas.StatusFile]...)
	return b.tip, nil
}

// move puts the status ref where the agent does not expect it.
func (b *branch) move(tip string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tip = tip
}

func (b *branch) fetches() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looks
}

func (b *branch) status() schemas.AgentStatusBody {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.statuses) == 0 {
		return schemas.AgentStatusBody{}
	}
	return b.statuses[len(b.statuses)-1]
}

// testbed is one test's use of the shared control plane: an agent's
// installation of its own and a namespace for objects.
type testbed struct {
	t          *testing.T
	admin      *rest.Config
	client     dynamic.Interface
	branch     *branch
	renderer   renderer
	uid        string
	namespace  string
	generation int64
	logs       *lockedBuffer
	transport  func(http.RoundTripper) http.RoundTripper
}

// newTestbed installs an agent, whose memory is empty, into the cluster.
func newTestbed(t *testing.T) *testbed {
	t.Helper()
	admin := startCluster(t)
	client, err := dynamic.NewForConfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	bed := &testbed{
		t: t, admin: admin, client: client, branch: &branch{}, renderer: newRenderer(t), uid: uuid.NewString(),
		namespace: "t-" + uuid.NewString()[:8], logs: &lockedBuffer{},
	}
	bed.forgetAgents()
	bed.install("http://127.0.0.1:1/acme.git", bed.renderer.public)
	bed.applyYAML("{apiVersion: v1, kind: Namespace, metadata: {name: " + bed.namespace + "}}")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the agent:\n%s", bed.logs.String())
		}
	})
	return bed
}

func (b *testbed) install(repository, key string) {
	b.t.Helper()
	b.installWith(repository, tokenCanary, key)
}

func (b *testbed) installWith(repository, token, key string) {
	b.t.Helper()
	manifests, err := Manifests(Install{
		Repository: repository, Token: token, Tenant: testTenant, Cluster: testCluster, UID: b.uid,
		TrustedKeys: []string{key}, PollInterval: 100 * time.Millisecond,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, document := range strings.Split(string(manifests), "---\n")[1:] {
		b.applyYAML(document)
	}
}

// forgetAgents removes what agents of earlier tests remembered.
func (b *testbed) forgetAgents() {
	for _, resource := range []schema.GroupVersionResource{configMaps(), secrets()} {
		err := b.client.Resource(resource).Namespace(schemas.AgentNamespace).
			DeleteCollection(b.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			b.t.Fatal(err)
		}
	}
}

func (b *testbed) resource(kind, namespace string) dynamic.ResourceInterface {
	known := map[string]schema.GroupVersionResource{
		"Namespace": {Version: "v1", Resource: "namespaces"}, "ConfigMap": configMaps(), "Secret": secrets(),
		"ServiceAccount":           {Version: "v1", Resource: "serviceaccounts"},
		"ClusterRole":              {Group: rbacGroup, Version: "v1", Resource: "clusterroles"},
		"ClusterRoleBinding":       {Group: rbacGroup, Version: "v1", Resource: "clusterrolebindings"},
		"Role":                     {Group: rbacGroup, Version: "v1", Resource: "roles"},
		"RoleBinding":              {Group: rbacGroup, Version: "v1", Resource: "rolebindings"},
		"Deployment":               {Group: "apps", Version: "v1", Resource: "deployments"},
		"CustomResourceDefinition": {Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
		"Widget":                   {Group: "test.branchline.dev", Version: "v1", Resource: "widgets"},
		"Service":                  {Version: "v1", Resource: "services"},
	}
	resource, ok := known[kind]
	if !ok {
		b.t.Fatalf("test does not know kind %s", kind)
	}
	return api{b.client}.of(resource, namespace)
}

// applyYAML applies an object as the administrator, as kubectl would.
func (b *testbed) applyYAML(document string) {
	b.t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
		b.t.Fatal(err)
	}
	force := metav1.ApplyOptions{FieldManager: "kubectl", Force: true}
	if _, err := b.resource(object.GetKind(), object.GetNamespace()).Apply(b.t.Context(), object.GetName(), object, force); err != nil {
		b.t.Fatal(err)
	}
}

// agentConfig is the access of the agent's own service account.
func (b *testbed) agentConfig() *rest.Config {
	b.t.Helper()
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"audiences": []any{}},
		"metadata": map[string]any{"name": schemas.AgentServiceAccount},
	}}
	answer, err := b.resource("ServiceAccount", schemas.AgentNamespace).Create(b.t.Context(), request, metav1.CreateOptions{}, "token")
	if err != nil {
		b.t.Fatal(err)
	}
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	config := rest.AnonymousClientConfig(b.admin) // an administrator's certificate would count before the token
	config.BearerToken = token
	if b.transport != nil {
		config.Wrap(b.transport)
	}
	return config
}

// run starts the agent and gives a function that stops it.
func (b *testbed) run() (stop func()) {
	b.t.Helper()
	return b.runWith(b.options())
}

func (b *testbed) runWith(options Options) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- Run(ctx, options) }()
	var once gosync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-stopped; err != nil {
				b.t.Errorf("agent stopped: %v", err)
			}
		})
	}
	b.t.Cleanup(stop)
	return stop
}

func (b *testbed) options() Options {
	return Options{
		Kubernetes: b.agentConfig(), Version: "test",
		Log:     slog.New(slog.NewJSONHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Connect: func(Config) Repository { return b.branch },
	}
}

// desire publishes layers as the next generation and gives the commit.
func (b *testbed) desire(layers ...layerOf) string {
	b.t.Helper()
	return b.publish(desiredState{layers: layers})
}

func (b *testbed) publish(state desiredState) string {
	b.t.Helper()
	b.generation++
	state.uid, state.generation, state.keys = b.uid, b.generation, []string{b.renderer.public}
	snapshot := b.renderer.snapshot(b.t, state.files(b.t))
	b.branch.set(snapshot, nil)
	return snapshot.Commit
}

// eventually polls until check gives "", the reason why it is not done yet else.
func (b *testbed) eventually(check func() string) {
	b.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		reason := check()
		if reason == "" {
			return
		}
		if time.Now().After(deadline) {
			status, _ := yaml.Marshal(b.branch.status())
			b.t.Fatalf("gave up waiting: %s\nstatus:\n%s", reason, status)
		}
		pause(b.t.Context(), 20*time.Millisecond)
	}
}

func (b *testbed) eventuallyReady(commit string) {
	b.t.Helper()
	b.eventually(func() string {
		status := b.branch.status()
		if status.Applied.Commit != commit || conditionOf(status, schemas.ConditionReady).Status != "True" ||
			conditionOf(status, schemas.ConditionPruned).Status != "True" || conditionOf(status, schemas.ConditionFetched).Status != "True" {
			return "commit is not applied, ready and pruned"
		}
		return ""
	})
}

func (b *testbed) eventuallyCondition(kind, status, reason string) schemas.Condition {
	b.t.Helper()
	b.eventually(func() string {
		if c := conditionOf(b.branch.status(), kind); c.Status != status || c.Reason != reason {
			return fmt.Sprintf("condition %s is %s (%s), want %s (%s)", kind, c.Status, c.Reason, status, reason)
		}
		return ""
	})
	return conditionOf(b.branch.status(), kind)
}

func conditionOf(status schemas.AgentStatusBody, kind string) schemas.Condition {
	for _, c := range status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return schemas.Condition{}
}

// names of the objects of a kind in the test's namespace that carry an owner label.
func (b *testbed) owned(kind string) []string {
	b.t.Helper()
	list, err := b.resource(kind, b.namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: schemas.OwnerLabel + "=" + b.uid})
	if err != nil {
		b.t.Fatal(err)
	}
	names := []string{}
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	slices.Sort(names)
	return names
}

func (b *testbed) get(kind, name string) *unstructured.Unstructured {
	b.t.Helper()
	object, err := b.resource(kind, b.namespace).Get(b.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return object
}

// merge changes an object as somebody with kubectl would.
func (b *testbed) merge(kind, name string, patch map[string]any) {
	b.t.Helper()
	body, err := json.Marshal(patch)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.resource(kind, b.namespace).Patch(b.t.Context(), name, "application/merge-patch+json", body, metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *testbed) remove(kind, name string) {
	b.t.Helper()
	if err := b.resource(kind, b.namespace).Delete(b.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *testbed) value(name string) string {
	b.t.Helper()
	object := b.get("ConfigMap", name)
	if object == nil {
		return ""
	}
	value, _, _ := unstructured.NestedString(object.Object, "data", "value")
	return value
}

// inventoried gives the names of all objects in the stored inventory.
func (b *testbed) inventoried() []string {
	b.t.Helper()
	loaded, err := inventoryStore{api: api{b.client}, cluster: b.uid, log: slog.New(slog.DiscardHandler)}.load(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	names := []string{}
	for _, layer := range loaded {
		for id := range layer.Entries {
			names = append(names, id.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func configMapYAML(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  value: %q\n", name, value)
}

func configMapLayer(name, namespace string, count int, value string) layerOf {
	layer := layerOf{name: name, namespace: namespace, objects: map[string]string{}}
	for i := range count {
		object := fmt.Sprintf("%s-%03d", name, i)
		layer.objects["configmap.."+object+".yaml"] = configMapYAML(object, value)
	}
	return layer
}

type lockedBuffer struct {
	mu     gosync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

var _ io.Writer = (*lockedBuffer)(nil)
