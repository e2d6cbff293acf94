package local

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"branchline.dev/branchline/providers/providertest"
)

func TestControlPlaneAlone(t *testing.T) {
	options := ControlPlaneOptions{Dir: t.TempDir(), Program: providertest.Program(t, "branchline-controlplane")}
	start := func() (*ControlPlane, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return StartControlPlane(ctx, options)
	}
	mustStart := func() (*ControlPlane, *kubernetes.Clientset) {
		t.Helper()
		plane, err := start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = plane.Stop(context.Background()) })
		client, err := kubernetes.NewForConfig(plane.RESTConfig())
		if err != nil {
			t.Fatal(err)
		}
		return plane, client
	}

	plane, client := mustStart()
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "note"}, Data: map[string]string{"kept": "yes"}}
	if _, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), note, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := start(); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second control plane on the same directory: %v", err)
	}
	anonymous := plane.RESTConfig()
	anonymous.CertData, anonymous.KeyData = nil, nil
	stranger, err := kubernetes.NewForConfig(anonymous)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("whoever reaches the port may read Secrets")
	}
	if err := plane.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	_, client = mustStart()
	kept, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "note", metav1.GetOptions{})
	if err != nil || kept.Data["kept"] != "yes" {
		t.Errorf("after a restart: %v, error %v", kept.Data, err)
	}
}

func TestControlPlaneThatCannotStart(t *testing.T) {
	// Reached by cancelling: whatever was started must be gone.
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	dir := t.TempDir()
	_, err := StartControlPlane(ctx, ControlPlaneOptions{Dir: dir, Program: providertest.Program(t, "branchline-controlplane")})
	if err == nil || !strings.Contains(err.Error(), "logs") {
		t.Errorf("got %v, want an error that says where the logs are", err)
	}
	if s, err := readState(dir + "/clusters/alone"); err != nil || len(s.Processes) != 0 {
		t.Errorf("processes left: %v, error %v", s.Processes, err)
	}
	if _, err := StartControlPlane(t.Context(), ControlPlaneOptions{Dir: dir, Program: "no-such-program"}); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v, want an error that says how to make the program", err)
	}
}
