"""Learns to read digits in PyTorch; from the root of the repository: python book/listings/coming-from/loop.py"""

# ANCHOR: loop
import numpy
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
table = numpy.loadtxt("data/digits.csv.gz", delimiter=",", dtype="float32")
images = torch.from_numpy(table[:, :64]).view(-1, 1, 8, 8) / 16  # [B, C, H, W]
classes = torch.from_numpy(table[:, 64]).long()  # [B]
train, test = random_split(TensorDataset(images, classes), [0.8, 0.2])

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # [B, 8, 4, 4]
    nn.Flatten(), nn.Dropout(0.2),  # [B, 128]
    nn.Linear(128, 10),  # [B, 10]
)  # fmt: skip
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(4):
    model.train()
    total = 0.0
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    print(f"epoch {epoch + 1}: loss {total / len(train):.3f}")

model.eval()
with torch.no_grad():
    x, y = test[:]
    accuracy = (model(x).argmax(dim=1) == y).float().mean().item()
print(f"test accuracy {accuracy:.3f}")
torch.save(model.state_dict(), "digits.pt")
# ANCHOR_END: loop
