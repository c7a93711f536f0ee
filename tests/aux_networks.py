"""GoogLeNet and Inception v3 as torchvision builds them, with their heads for training."""

GOOGLENET = """\
block conv_bn(width, kernel, stride = 1) { conv: conv(width, kernel, stride = stride); bn: bn(eps = 1e-3); relu }

block inception(c1, c3_in, c3, c5_in, c5, pool) {
  concat {
    branch1: conv_bn(c1, 1x1)
    branch2: { conv_bn(c3_in, 1x1); conv_bn(c3, 3x3) }
    branch3: { conv_bn(c5_in, 1x1); conv_bn(c5, 3x3) }
    branch4: { maxpool(3x3); conv_bn(pool, 1x1) }
  }
}

model googlenet(classes = 1000) {
  input image: f32[N, 3, 224, 224]
  conv1: conv_bn(64, 7x7, stride = 2);  maxpool(3x3, stride = 2)
  conv2: conv_bn(64, 1x1)
  conv3: conv_bn(192, 3x3);  maxpool(3x3, stride = 2)
  inception3a: inception(64, 96, 128, 16, 32, 32)
  inception3b: inception(128, 128, 192, 32, 96, 64);  maxpool(3x3, stride = 2)
  inception4a: inception(192, 96, 208, 16, 48, 64)
  aux aux1 {
    avgpool(5x5, stride = 3, pad = valid)
    conv: conv_bn(128, 1x1);  flatten
    fc1: linear(1024);  relu;  dropout(0.7)
    fc2: linear(classes) -> [N, classes]
  }
  inception4b: inception(160, 112, 224, 24, 64, 64)
  inception4c: inception(128, 128, 256, 24, 64, 64)
  inception4d: inception(112, 144, 288, 32, 64, 64)
  aux aux2 {
    avgpool(5x5, stride = 3, pad = valid)
    conv: conv_bn(128, 1x1);  flatten
    fc1: linear(1024);  relu;  dropout(0.7)
    fc2: linear(classes)
  }
  inception4e: inception(256, 160, 320, 32, 128, 128);  maxpool(3x3, stride = 2)
  inception5a: inception(256, 160, 320, 32, 128, 128)
  inception5b: inception(384, 192, 384, 48, 128, 128) -> [N, 1024, 7, 7]
  avgpool(global);  flatten;  dropout(0.2)
  fc: linear(classes)
  output logits
}
"""

INCEPTION_V3 = """\
block unit(width, kernel) { conv: conv(width, kernel); bn: bn(eps = 1e-3); relu }

block valid(width, kernel, stride = 1) {
  conv: conv(width, kernel, stride = stride, pad = valid);  bn: bn(eps = 1e-3);  relu
}

block inception_a(pool) {
  concat {
    branch1x1: unit(64, 1x1)
    { branch5x5_1: unit(48, 1x1); branch5x5_2: unit(64, 5x5) }
    { branch3x3dbl_1: unit(64, 1x1); branch3x3dbl_2: unit(96, 3x3); branch3x3dbl_3: unit(96, 3x3) }
    { avgpool(3x3); branch_pool: unit(pool, 1x1) }
  }
}

block inception_b() {
  concat {
    branch3x3: valid(384, 3x3, stride = 2)
    {
      branch3x3dbl_1: unit(64, 1x1);  branch3x3dbl_2: unit(96, 3x3)
      branch3x3dbl_3: valid(96, 3x3, stride = 2)
    }
    maxpool(3x3, stride = 2, pad = valid)
  }
}

block inception_c(c7) {
  concat {
    branch1x1: unit(192, 1x1)
    { branch7x7_1: unit(c7, 1x1); branch7x7_2: unit(c7, 1x7); branch7x7_3: unit(192, 7x1) }
    {
      branch7x7dbl_1: unit(c7, 1x1);  branch7x7dbl_2: unit(c7, 7x1);  branch7x7dbl_3: unit(c7, 1x7)
      branch7x7dbl_4: unit(c7, 7x1);  branch7x7dbl_5: unit(192, 1x7)
    }
    { avgpool(3x3); branch_pool: unit(192, 1x1) }
  }
}

block inception_d() {
  concat {
    { branch3x3_1: unit(192, 1x1); branch3x3_2: valid(320, 3x3, stride = 2) }
    {
      branch7x7x3_1: unit(192, 1x1);  branch7x7x3_2: unit(192, 1x7);  branch7x7x3_3: unit(192, 7x1)
      branch7x7x3_4: valid(192, 3x3, stride = 2)
    }
    maxpool(3x3, stride = 2, pad = valid)
  }
}

block inception_e() {
  concat {
    branch1x1: unit(320, 1x1)
    { branch3x3_1: unit(384, 1x1); concat { branch3x3_2a: unit(384, 1x3); branch3x3_2b: unit(384, 3x1) } }
    {
      branch3x3dbl_1: unit(448, 1x1);  branch3x3dbl_2: unit(384, 3x3)
      concat { branch3x3dbl_3a: unit(384, 1x3); branch3x3dbl_3b: unit(384, 3x1) }
    }
    { avgpool(3x3); branch_pool: unit(192, 1x1) }
  }
}

model inception_v3(classes = 1000) {
  input image: f32[N, 3, 299, 299]
  Conv2d_1a_3x3: valid(32, 3x3, stride = 2)
  Conv2d_2a_3x3: valid(32, 3x3)
  Conv2d_2b_3x3: unit(64, 3x3);  maxpool(3x3, stride = 2, pad = valid)
  Conv2d_3b_1x1: unit(80, 1x1)
  Conv2d_4a_3x3: valid(192, 3x3);  maxpool(3x3, stride = 2, pad = valid)
  Mixed_5b: inception_a(32)
  Mixed_5c: inception_a(64)
  Mixed_5d: inception_a(64)
  Mixed_6a: inception_b
  Mixed_6b: inception_c(128)
  Mixed_6c: inception_c(160)
  Mixed_6d: inception_c(160)
  Mixed_6e: inception_c(192) -> [N, 768, 17, 17]
  aux AuxLogits {
    avgpool(5x5, stride = 3, pad = valid)
    conv0: unit(128, 1x1)
    conv1: valid(768, 5x5)
    avgpool(global);  flatten
    fc: linear(classes)
  }
  Mixed_7a: inception_d
  Mixed_7b: inception_e
  Mixed_7c: inception_e -> [N, 2048, 8, 8]
  avgpool(global);  dropout;  flatten
  fc: linear(classes)
  output logits
}
"""
