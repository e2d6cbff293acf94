package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"branchline.dev/branchline/providers/all"
)

// kubeconfig is the path of a cluster's admin kubeconfig.
func (e *environment) kubeconfig(cluster string) string {
	local, ok := e.clouds[all.Local].(interface {
		Kubeconfig(tenant, cluster string) string
	})
	if !ok {
		return ""
	}
	return local.Kubeconfig(tenantName, cluster)
}

func (e *environment) client(cluster string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", e.kubeconfig(cluster))
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// serves asks a cluster's API server whether it is ready.
func (e *environment) serves(ctx context.Context, cluster string) bool {
	client, err := e.client(cluster)
	if err != nil {
		return false
	}
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
}

// expectConfigMap looks into a cluster itself for a value of the web server's
// configuration.
func (e *environment) expectConfigMap(ctx context.Context, cluster, value string) error {
	client, err := e.client(cluster)
	if err != nil {
		return err
	}
	list, err := client.CoreV1().ConfigMaps(editedLayer).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, object := range list.Items {
		for _, text := range object.Data {
			if strings.Contains(text, value) {
				return nil
			}
		}
	}
	return fmt.Errorf("cluster %s reports the change but no ConfigMap in %s holds %q", cluster, editedLayer, value)
}

// scale is the number of replicas that a Deployment asked for at some moment.
type scale struct{ replicas int32 }

// watchReplicas reports the present number of replicas of the edited
// Deployment and each change of it.
func (e *environment) watchReplicas(ctx context.Context, cluster string) (<-chan scale, error) {
	client, err := e.client(cluster)
	if err != nil {
		return nil, err
	}
	watcher, err := client.AppsV1().Deployments(editedLayer).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + editedLayer})
	if err != nil {
		return nil, err
	}
	scales := make(chan scale)
	go func() {
		defer close(scales)
		defer watcher.Stop()
		for event := range watcher.ResultChan() {
			deployment, ok := event.Object.(*appsv1.Deployment)
			if !ok || deployment.Spec.Replicas == nil {
				continue
			}
			select {
			case scales <- scale{*deployment.Spec.Replicas}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return scales, nil
}

// waitFor reads until a number of replicas comes by.
func waitFor(ctx context.Context, scales <-chan scale, replicas int32) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case seen, open := <-scales:
			if !open {
				return errors.New("the watch ended early")
			}
			if seen.replicas == replicas {
				return nil
			}
		}
	}
}
