package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"branchline.dev/branchline/schemas"
)

func TestDriftIsHealedAtOnce(t *testing.T) {
	bed := newTestbed(t)
	bed.eventuallyReadyAfterRun(configMapLayer("base", bed.namespace, 3, "good"))
	for _, change := range []struct {
		name   string
		change func()
	}{
		{"changed value", func() { bed.merge("ConfigMap", "base-000", map[string]any{"data": map[string]any{"value": "bad"}}) }},
		{"removed value", func() { bed.merge("ConfigMap", "base-000", map[string]any{"data": map[string]any{"value": nil}}) }},
		{"deleted", func() { bed.remove("ConfigMap", "base-000") }},
		{"owner label removed", func() {
			bed.merge("ConfigMap", "base-000", map[string]any{"metadata": map[string]any{"labels": map[string]any{schemas.OwnerLabel: nil}}})
		}},
	} {
		t.Run(change.name, func(t *testing.T) {
			change.change()
			start := time.Now()
			bed.eventually(func() string {
				object := bed.get("ConfigMap", "base-000")
				if object == nil {
					return "is gone"
				}
				return cmp.Diff("good "+bed.uid, bed.value("base-000")+" "+object.GetLabels()[schemas.OwnerLabel])
			})
			t.Logf("healed after %v", time.Since(start))
		})
	}
	bed.eventually(func() string { return cmp.Diff(int64(4), bed.branch.status().Healed) })
}

func TestFieldsOfOthersAreNoDrift(t *testing.T) {
	bed := newTestbed(t)
	bed.eventuallyReadyAfterRun(configMapLayer("base", bed.namespace, 2, "good"))
	bed.merge("ConfigMap", "base-000", map[string]any{"data": map[string]any{"other": "theirs"}})
	// A change that is healed later proves that the one before was seen too.
	bed.merge("ConfigMap", "base-001", map[string]any{"data": map[string]any{"value": "bad"}})
	bed.eventually(func() string { return cmp.Diff("good", bed.value("base-001")) })
	bed.eventually(func() string { return cmp.Diff(int64(1), bed.branch.status().Healed) })
	theirs, _, _ := unstructured.NestedString(bed.get("ConfigMap", "base-000").Object, "data", "other")
	if theirs != "theirs" {
		t.Errorf("field that nobody desired is %q, want it left alone", theirs)
	}
}

func TestDriftIsReportedAndLeftWherePolicySaysSo(t *testing.T) {
	bed := newTestbed(t)
	alert, ignore := configMapLayer("alert", bed.namespace, 2, "good"), configMapLayer("ignore", bed.namespace, 2, "good")
	alert.drift, ignore.drift = schemas.DriftAlert, schemas.DriftIgnore
	stop := bed.eventuallyReadyAfterRun(alert, ignore)
	bad := map[string]any{"data": map[string]any{"value": "bad"}}
	bed.merge("ConfigMap", "alert-000", bad)
	bed.merge("ConfigMap", "ignore-000", bad)
	bed.remove("ConfigMap", "ignore-001")
	check := func() {
		t.Helper()
		bed.eventuallyCondition(schemas.ConditionDrifted, "True", "Drift")
		want := []schemas.ObjectIssue{{
			Object: "ConfigMap/" + bed.namespace + "/alert-000", Layer: "alert", Reason: "differs in data.value, last written by kubectl-edit; undo the change or set drift: heal",
		}}
		bed.eventually(func() string { return cmp.Diff(want, bed.branch.status().Drift) })
		if got := bed.value("alert-000") + " " + bed.value("ignore-000"); got != "bad bad" {
			t.Errorf("values are %q, want them left alone", got)
		}
		if bed.get("ConfigMap", "ignore-001") != nil {
			t.Error("deleted object came back although drift is ignored")
		}
	}
	check()
	stop()
	bed.run()
	check() // a restart heals nothing either
	bed.merge("ConfigMap", "alert-000", map[string]any{"data": map[string]any{"value": "good"}})
	bed.eventuallyCondition(schemas.ConditionDrifted, "False", "InSync")

	alert.objects["configmap..alert-000.yaml"] = configMapYAML("alert-000", "new")
	bed.eventuallyReady(bed.desire(alert, ignore))
	if got := bed.value("alert-000"); got != "new" {
		t.Errorf("value is %q: a commit is applied whatever the drift policy", got)
	}
}

// What was ignored is drift as soon as another policy says so.
func TestIgnoredDriftIsNotForgotten(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			bed := newTestbed(t)
			layer := configMapLayer("base", bed.namespace, 4, "good")
			layer.drift = schemas.DriftIgnore
			stop := bed.eventuallyReadyAfterRun(layer)
			bed.merge("ConfigMap", "base-000", map[string]any{"data": map[string]any{"value": "bad"}})
			bed.remove("ConfigMap", "base-001")
			// A commit that is applied later proves that both were seen.
			layer.objects["configmap..base-003.yaml"] = configMapYAML("base-003", "new")
			bed.eventuallyReady(bed.desire(layer))
			bed.eventuallyCondition(schemas.ConditionDrifted, "False", "InSync")
			want := map[string]string{"base-000": "bad", "base-002": "good", "base-003": "new"}
			if diff := cmp.Diff(want, bed.content()); diff != "" {
				t.Fatalf("while drift is ignored: %s", diff)
			}
			if restart {
				stop()
				stop = bed.run()
			}

			layer.drift = schemas.DriftAlert
			bed.desire(layer)
			bed.eventually(func() string {
				return cmp.Diff([]schemas.ObjectIssue{
					{Object: "ConfigMap/" + bed.namespace + "/base-000", Layer: "base",
						Reason: "differs in data.value, last written by kubectl-edit; undo the change or set drift: heal"},
					{Object: "ConfigMap/" + bed.namespace + "/base-001", Layer: "base",
						Reason: "was deleted, or lost its label " + schemas.OwnerLabel + "; set drift: heal to get it back"},
				}, bed.branch.status().Drift)
			})
			layer.drift = schemas.DriftIgnore
			bed.desire(layer)
			bed.eventuallyCondition(schemas.ConditionDrifted, "False", "InSync")
			if diff := cmp.Diff(want, bed.content()); diff != "" {
				t.Fatalf("after alert and ignore: %s", diff)
			}
			if restart {
				stop()
				bed.run()
			}

			layer.drift = schemas.DriftHeal
			bed.eventuallyReady(bed.desire(layer))
			bed.eventually(func() string { return cmp.Diff(bed.contentOf([]layerOf{layer}), bed.content()) })
			bed.eventually(func() string { return cmp.Diff(int64(2), bed.branch.status().Healed) })
		})
	}
}

func TestAdviceIsNeverCutOff(t *testing.T) {
	advice := "set drift: heal"
	for _, reason := range []string{"differs", strings.Repeat("long ", 1000), strings.Repeat("ä", maxMessage)} {
		if got := clip(advise(reason, advice)); !strings.HasSuffix(got, "; "+advice) || !utf8.ValidString(got) {
			t.Errorf("advice is not at the end of %q", got)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	bed := newTestbed(t)
	const canary = "canary-secret-77ab"
	layer := layerOf{name: "base", namespace: bed.namespace, drift: schemas.DriftAlert, objects: map[string]string{
		"secret..good.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: good}\nstringData: {password: " + canary + "}\n",
		"secret..bad.yaml":  "apiVersion: v1\nkind: Secret\nmetadata: {name: bad}\ndata: {password: {nested: " + canary + "}}\n",
		"secret..worse.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: worse}\ntype: " + canary + "\nimmutable: " + canary + "\n" +
			"stringData: {password: " + canary + "}\n",
	}}
	bed.desire(layer)
	bed.run()
	bed.eventuallyCondition(schemas.ConditionApplied, "False", "Failed")
	bed.eventually(func() string { return cmp.Diff(2, bed.branch.status().FailingCount) })
	bed.merge("Secret", "good", map[string]any{"stringData": map[string]any{"password": canary + "-changed"}})
	bed.eventuallyCondition(schemas.ConditionDrifted, "True", "Drift")
	bed.branch.set(nil, &quotingError{})
	bed.eventuallyCondition(schemas.ConditionFetched, "False", "Unreachable")
	for name, text := range map[string]string{"status": string(bed.branch.raw), "log": bed.logs.String()} {
		for _, secret := range []string{canary, "Y2FuYXJ5LXNlY3JldC03N2Fi", tokenCanary} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows a secret: %q", name, text[max(0, at-200):min(len(text), at+80)])
			}
		}
	}
}

// quotingError quotes the token, as a careless HTTP library might.
type quotingError struct{}

func (*quotingError) Error() string { return "GET http://x:" + tokenCanary + "@127.0.0.1: broken" }

func TestLogsAreJSON(t *testing.T) {
	bed := newTestbed(t)
	bed.eventuallyReadyAfterRun(configMapLayer("base", bed.namespace, 1, "x"))()
	for line := range strings.Lines(bed.logs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("line of the log is not JSON: %s", line)
		}
	}
}
