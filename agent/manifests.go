package agent

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"branchline.dev/branchline/schemas"
)

// Install is what an agent needs to know at its first start.
type Install struct {
	Repository, Token    string
	Tenant, Cluster, UID string
	TrustedKeys          []string      // authorized_keys format
	PollInterval         time.Duration // 0 means 30 s
}

// Manifests gives the YAML documents that let an agent run in a cluster:
// namespace, service account, rights and configuration. There is no Deployment
// among them: it comes with the agent's image, and a host process with the
// service account's token needs none.
func Manifests(install Install) ([]byte, error) {
	secret, err := install.secret()
	if err != nil {
		return nil, err
	}
	documents := []map[string]any{
		object("v1", "Namespace", "", schemas.AgentNamespace, nil),
		object("v1", "ServiceAccount", schemas.AgentNamespace, schemas.AgentServiceAccount, nil),
		object(rbacVersion, "ClusterRole", "", schemas.AgentServiceAccount, map[string]any{"rules": clusterRules()}),
		object(rbacVersion, "ClusterRoleBinding", "", schemas.AgentServiceAccount, binding("ClusterRole")),
		object(rbacVersion, "Role", schemas.AgentNamespace, schemas.AgentServiceAccount, map[string]any{"rules": namespaceRules()}),
		object(rbacVersion, "RoleBinding", schemas.AgentNamespace, schemas.AgentServiceAccount, binding("Role")),
		secret,
	}
	var all bytes.Buffer
	for _, document := range documents {
		encoded, err := schemas.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("encode the agent's manifests: %w", err)
		}
		all.WriteString("---\n")
		all.Write(encoded)
	}
	return all.Bytes(), nil
}

const (
	rbacGroup   = "rbac.authorization.k8s.io"
	rbacVersion = rbacGroup + "/v1"
)

// clusterRules are the least with which objects of any kind can be applied,
// watched and pruned. Server-side apply is a patch, and creates what is missing.
// The agent passes on rights that it lacks itself (escalate, bind), because
// tenants' layers hold roles; it cannot impersonate anybody.
func clusterRules() []any {
	return []any{
		rule([]any{"*"}, []any{"*"}, "get", "list", "watch", "create", "update", "patch", "delete"),
		rule([]any{rbacGroup}, []any{"roles", "clusterroles"}, "escalate", "bind"),
	}
}

// namespaceRules are what the agent's own memory needs. The rules above cover
// them; they stay when somebody narrows those.
func namespaceRules() []any {
	return []any{
		rule([]any{""}, []any{"secrets", "configmaps"}, "get", "list", "create", "patch", "delete"),
		rule([]any{"coordination.k8s.io"}, []any{"leases"}, "get", "create", "update"),
	}
}

func rule(groups, resources []any, verbs ...any) map[string]any {
	return map[string]any{"apiGroups": groups, "resources": resources, "verbs": verbs}
}

func binding(role string) map[string]any {
	return map[string]any{
		"roleRef": map[string]any{"apiGroup": rbacGroup, "kind": role, "name": schemas.AgentServiceAccount},
		"subjects": []any{map[string]any{
			"kind": "ServiceAccount", "namespace": schemas.AgentNamespace, "name": schemas.AgentServiceAccount,
		}},
	}
}

func object(version, kind, namespace, name string, fields map[string]any) map[string]any {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	made := map[string]any{"apiVersion": version, "kind": kind, "metadata": metadata}
	for key, value := range fields {
		made[key] = value
	}
	return made
}

// secret refuses values with which the agent would not start.
func (i Install) secret() (map[string]any, error) {
	values := map[string]string{
		"repository": i.Repository, "token": i.Token, "tenant": i.Tenant, "cluster": i.Cluster, "uid": i.UID,
		"trustedKeys": strings.Join(i.TrustedKeys, "\n"),
	}
	if i.PollInterval != 0 {
		values["pollInterval"] = i.PollInterval.String()
	}
	if _, err := parseConfig(values); err != nil {
		return nil, fmt.Errorf("install agent of cluster %s: %w", i.Cluster, err)
	}
	texts := make(map[string]any, len(values))
	for key, value := range values {
		texts[key] = value
	}
	return object("v1", "Secret", schemas.AgentNamespace, schemas.AgentConfigSecret, map[string]any{"stringData": texts}), nil
}
