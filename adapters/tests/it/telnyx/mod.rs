mod ingress;
