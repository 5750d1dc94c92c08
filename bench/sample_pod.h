// A Pod of about 4 KB, as a node agent leaves it.
#pragma once

#include <string_view>

namespace keelson::bench {

inline constexpr std::string_view kSamplePod =
    R"json({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-6b7f675948-x7k2p","generateName":")json"
    R"json(web-6b7f675948-","namespace":"shop","uid":"0ea5c5b8-6d0e-4a2b-9c5f-5c1a7d1b2f3e","resource)json"
    R"json(Version":"184467","generation":1,"creationTimestamp":"2026-11-21T09:00:00Z","labels":{"app)json"
    R"json(":"web","pod-template-hash":"6b7f675948","tier":"frontend"},"annotations":{"prometheus.io/)json"
    R"json(scrape":"true","prometheus.io/port":"9090"},"ownerReferences":[{"apiVersion":"apps/v1","ki)json"
    R"json(nd":"ReplicaSet","name":"web-6b7f675948","uid":"7d1b2f3e-4a2b-6d0e-9c5f-0ea5c5b85c1a","con)json"
    R"json(troller":true,"blockOwnerDeletion":true}]},"spec":{"volumes":[{"name":"config","configMap")json"
    R"json(:{"name":"web-config","defaultMode":420}},{"name":"kube-api-access-7xk2p","projected":{"so)json"
    R"json(urces":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"n)json"
    R"json(ame":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}],"defaultMode":420}}])json"
    R"json(,"containers":[{"name":"server","image":"registry.example.com/team/server:v1.27.3","comman)json"
    R"json(d":["/bin/server","--port=8080"],"args":["--log-level=info","--config=/etc/app/config.yaml)json"
    R"json("],"ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"name":"metrics","conta)json"
    R"json(inerPort":9090,"protocol":"TCP"}],"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiV)json"
    R"json(ersion":"v1","fieldPath":"metadata.name"}}},{"name":"MODE","value":"production"}],"resourc)json"
    R"json(es":{"limits":{"cpu":"500m","memory":"256Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},)json"
    R"json("volumeMounts":[{"name":"config","mountPath":"/etc/app"},{"name":"kube-api-access-7xk2p",")json"
    R"json(readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"readinessPro)json"
    R"json(be":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"perio)json"
    R"json(dSeconds":10,"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/ter)json"
    R"json(mination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restar)json"
    R"json(tPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAc)json"
    R"json(countName":"default","serviceAccount":"default","nodeName":"node-1","securityContext":{},")json"
    R"json(schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","o)json"
    R"json(perator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io)json"
    R"json(/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority)json"
    R"json(":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{"phase")json"
    R"json(:"Running","conditions":[{"type":"PodReadyToStartContainers","status":"True","lastProbeTim)json"
    R"json(e":null,"lastTransitionTime":"2026-11-21T09:00:00Z"},{"type":"Initialized","status":"True")json"
    R"json(,"lastProbeTime":null,"lastTransitionTime":"2026-11-21T09:00:01Z"},{"type":"Ready","status)json"
    R"json(":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-21T09:00:02Z"},{"type":"Contai)json"
    R"json(nersReady","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-21T09:00:03Z)json"
    R"json("},{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-)json"
    R"json(11-21T09:00:04Z"}],"hostIP":"10.22.0.1","hostIPs":[{"ip":"10.22.0.1"}],"podIP":"10.22.0.17)json"
    R"json(","podIPs":[{"ip":"10.22.0.17"}],"startTime":"2026-11-21T09:00:01Z","containerStatuses":[{)json"
    R"json("name":"server","state":{"running":{"startedAt":"2026-11-21T09:00:02Z"}},"lastState":{},"r)json"
    R"json(eady":true,"restartCount":0,"image":"registry.example.com/team/server:v1.27.3","imageID":")json"
    R"json(registry.example.com/team/server@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd1)json"
    R"json(5d6c15b0f00a08","containerID":"containerd://2c26b46b68ffc68ff99b453c1d30413413422d706483bf)json"
    R"json(a0f98a5e886266e7ae","started":true}],"qosClass":"Burstable"}})json";

}  // namespace keelson::bench
