package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

const (
	defaultPollInterval = 30 * time.Second
	minPollInterval     = 100 * time.Millisecond
)

// Config is the content of Secret schemas.AgentConfigSecret.
type Config struct {
	Repository   string // URL of the tenant's repository
	Token        string // password for it
	Tenant       string
	Cluster      string
	UID          string
	TrustedKeys  []string // authorized_keys format; only until a trusted commit names others
	PollInterval time.Duration
}

func secrets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
}

func readConfig(ctx context.Context, api api) (Config, error) {
	object, err := api.of(secrets(), schemas.AgentNamespace).Get(ctx, schemas.AgentConfigSecret, metav1.GetOptions{})
	if err != nil {
		return Config{}, fmt.Errorf("read Secret %s/%s: %w", schemas.AgentNamespace, schemas.AgentConfigSecret, err)
	}
	values, err := secretData(object)
	if err != nil {
		return Config{}, &configError{err}
	}
	config, err := parseConfig(values)
	if err != nil {
		return Config{}, &configError{err}
	}
	return config, nil
}

// configError is a mistake in the Secret, which trying again does not mend.
type configError struct{ err error }

func (e *configError) Error() string {
	return fmt.Sprintf("Secret %s/%s: %v", schemas.AgentNamespace, schemas.AgentConfigSecret, e.err)
}

func (e *configError) Unwrap() error { return e.err }

// parseConfig reads the keys of the Secret and reports all that is wrong with
// them, never a value.
func parseConfig(values map[string]string) (Config, error) {
	config := Config{
		Repository: values["repository"], Token: values["token"], Tenant: values["tenant"],
		Cluster: values["cluster"], UID: values["uid"], PollInterval: defaultPollInterval,
	}
	var problems []error
	for _, key := range []string{"repository", "token", "tenant", "cluster", "uid", "trustedKeys"} {
		if strings.TrimSpace(values[key]) == "" {
			problems = append(problems, fmt.Errorf("key %s is missing, set it", key))
		}
	}
	if address, err := url.Parse(config.Repository); err != nil || (address.Scheme != "https" && address.Scheme != "http") || address.User != nil {
		problems = append(problems, errors.New("key repository is not an http or https URL without credentials"))
	}
	for line := range strings.Lines(values["trustedKeys"]) {
		if key := strings.TrimSpace(line); key != "" {
			config.TrustedKeys = append(config.TrustedKeys, key)
		}
	}
	if text := values["pollInterval"]; text != "" {
		interval, err := time.ParseDuration(text)
		if err != nil || interval < minPollInterval {
			problems = append(problems, fmt.Errorf("key pollInterval is not a duration of at least %s, such as 30s", minPollInterval))
		}
		config.PollInterval = interval
	}
	return config, errors.Join(problems...)
}

func secretData(object *unstructured.Unstructured) (map[string]string, error) {
	encoded, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, errors.New("data is not readable")
	}
	values := make(map[string]string, len(encoded))
	for key, text := range encoded {
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("key %s is not base64", key)
		}
		values[key] = string(value)
	}
	return values, nil
}
