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
    R"json(troller":true,"blockOwnerDeletion":true}],"managedFields":[{"manager":"kube-controller-man)json"
    R"json(ager","operation":"Update","apiVersion":"v1","time":"2026-11-21T09:00:00Z","fieldsType":"F)json"
    R"json(ieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:ti)json"
    R"json(er":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"7d1b2f3e-4a2b-6d0e-9c5f-0ea5c5b85c1a\"}")json"
    R"json(:{}}},"f:spec":{"f:containers":{"k:{\"name\":\"server\"}":{".":{},"f:image":{},"f:name":{})json"
    R"json(,"f:resources":{".":{},"f:limits":{},"f:requests":{}}}},"f:dnsPolicy":{}}}}]},"spec":{"vol)json"
    R"json(umes":[{"name":"config","configMap":{"name":"web-config","defaultMode":420}},{"name":"kube)json"
    R"json(-api-access-7xk2p","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":360)json"
    R"json(7,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path")json"
    R"json(:"ca.crt"}]}}],"defaultMode":420}}],"containers":[{"name":"server","image":"registry.examp)json"
    R"json(le.com/team/server:v1.27.3","command":["/bin/server","--port=8080"],"args":["--log-level=i)json"
    R"json(nfo","--config=/etc/app/config.yaml"],"ports":[{"name":"http","containerPort":8080,"protoc)json"
    R"json(ol":"TCP"},{"name":"metrics","containerPort":9090,"protocol":"TCP"}],"env":[{"name":"POD_N)json"
    R"json(AME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},{"name":"MO)json"
    R"json(DE","value":"production"}],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},"requests)json"
    R"json(":{"cpu":"100m","memory":"128Mi"}},"volumeMounts":[{"name":"config","mountPath":"/etc/app")json"
    R"json(},{"name":"kube-api-access-7xk2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes)json"
    R"json(.io/serviceaccount"}],"readinessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme)json"
    R"json(":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3})json"
    R"json(,"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imageP)json"
    R"json(ullPolicy":"IfNotPresent"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"d)json"
    R"json(nsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default","nodeNa)json"
    R"json(me":"node-1","securityContext":{},"schedulerName":"default-scheduler","tolerations":[{"key)json"
    R"json(":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSecon)json"
    R"json(ds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute",)json"
    R"json("tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"Preem)json"
    R"json(ptLowerPriority"},"status":{"phase":"Running","conditions":[{"type":"PodReadyToStartContai)json"
    R"json(ners","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-21T09:00:00Z"},{")json"
    R"json(type":"Initialized","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-21T)json"
    R"json(09:00:01Z"},{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"202)json"
    R"json(6-11-21T09:00:02Z"},{"type":"ContainersReady","status":"True","lastProbeTime":null,"lastTr)json"
    R"json(ansitionTime":"2026-11-21T09:00:03Z"},{"type":"PodScheduled","status":"True","lastProbeTim)json"
    R"json(e":null,"lastTransitionTime":"2026-11-21T09:00:04Z"}],"hostIP":"10.22.0.1","hostIPs":[{"ip)json"
    R"json(":"10.22.0.1"}],"podIP":"10.22.0.17","podIPs":[{"ip":"10.22.0.17"}],"startTime":"2026-11-2)json"
    R"json(1T09:00:01Z","containerStatuses":[{"name":"server","state":{"running":{"startedAt":"2026-1)json"
    R"json(1-21T09:00:02Z"}},"lastState":{},"ready":true,"restartCount":0,"image":"registry.example.c)json"
    R"json(om/team/server:v1.27.3","imageID":"registry.example.com/team/server@sha256:9f86d081884c7d6)json"
    R"json(59a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","containerID":"containerd://2c26b46b68f)json"
    R"json(fc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","started":true}],"qosClass":"Bursta)json"
    R"json(ble"}})json";

}  // namespace keelson::bench
